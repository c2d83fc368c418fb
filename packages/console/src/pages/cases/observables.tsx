import type { Case, CaseObservable } from '@redoubt/contract'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { useApi, useMay, useWorkplace } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import { Section } from '../../components/drawer.tsx'
import { TextField } from '../../components/fields.tsx'
import { NativeSelect } from '../../components/native-select.tsx'
import { announce, announceFailure } from '../../components/toast.tsx'
import { keysOf, plural, verdictWords } from '../../components/words.ts'

const verdicts = keysOf(verdictWords).map((verdict) => ({ value: verdict, label: verdictWords[verdict] }))
const verdictLook: Record<CaseObservable['verdict'], string> = {
  unknown: 'text-faint',
  benign: 'text-quiet',
  suspicious: 'font-medium text-ink',
  malicious: 'font-semibold text-danger',
}

/** What the case names, each with a verdict that is set in place. */
export function Observables({ of }: { of: Case }) {
  const { trpc, queries, client } = useApi()
  const may = useMay()
  const { slug } = useWorkplace().membership.organization
  const [isAdding, setAdding] = useState(false)
  const query = useInfiniteQuery(
    trpc.cases.observables.infiniteQueryOptions(
      { id: of.id, limit: 50 },
      { getNextPageParam: (page) => page.next ?? undefined },
    ),
    queries,
  )
  const items = query.data?.pages.flatMap((page) => page.items) ?? []
  const mayEdit = may('case:edit') && of.mergedInto === null
  const refresh = () => queries.invalidateQueries(trpc.cases.observables.pathFilter())
  const judge = async (observable: CaseObservable, verdict: CaseObservable['verdict']) => {
    try {
      await client.cases.setVerdict.mutate({ id: of.id, observableId: observable.id, verdict })
    } catch (error) {
      announceFailure('The verdict did not change', error)
    }
    await refresh()
  }
  return (
    <Section
      title="Observables"
      aside={
        mayEdit && (
          <Button size="small" tone="ghost" icon="plus" onPress={() => setAdding(true)}>
            Add
          </Button>
        )
      }
    >
      {query.isPending && <div className="skeleton h-16" />}
      {query.data && items.length === 0 && <p className="text-sm text-quiet">The alerts of this case name nothing.</p>}
      <ul>
        {items.map((observable) => (
          <li key={observable.id} className="flex min-h-8 items-center gap-2 text-sm">
            <span className="w-14 shrink-0 truncate text-xs text-faint">{observable.type}</span>
            <Link
              to="/o/$slug/inbox"
              params={{ slug }}
              search={{ state: 'any', observable: observable.value }}
              title={`${observable.value}, named by ${plural(observable.sightings, 'alert')}`}
              className="min-w-0 flex-1 truncate font-mono text-xs hover:underline"
            >
              {observable.value}
            </Link>
            {observable.internal && <span className="shrink-0 text-xs text-faint">internal</span>}
            {observable.sightings > 1 && <span className="shrink-0 text-xs text-faint">×{observable.sightings}</span>}
            <NativeSelect
              label={`Verdict on ${observable.value}`}
              value={observable.verdict}
              options={verdicts}
              disabled={!mayEdit}
              onChange={(verdict) => void judge(observable, verdict)}
              className={`h-7 w-24 rounded-md text-xs hover:bg-hover ${verdictLook[observable.verdict]}`}
            />
          </li>
        ))}
      </ul>
      {query.hasNextPage && (
        <Button size="small" onPress={() => void query.fetchNextPage()} busy={query.isFetchingNextPage}>
          More
        </Button>
      )}
      {isAdding && <AddDialog caseId={of.id} onClose={() => setAdding(false)} onAdded={refresh} />}
    </Section>
  )
}

function AddDialog({
  caseId,
  onClose,
  onAdded,
}: {
  caseId: string
  onClose: () => void
  onAdded: () => Promise<void>
}) {
  const { client } = useApi()
  const [text, setText] = useState('')
  return (
    <Dialog title="Add observables" onClose={onClose}>
      <TextField
        label="Paste any text"
        rows={6}
        mono
        autoFocus
        value={text}
        onChange={setText}
        maxLength={10_000}
        hint="Addresses, domains, URLs, e-mail addresses and hashes are found in it, defanged forms such as hxxp://evil[.]example too."
      />
      <DialogActions>
        <Button onPress={onClose}>Cancel</Button>
        <Button
          tone="primary"
          isDisabled={text.trim() === ''}
          onPress={async () => {
            try {
              const { added } = await client.cases.addObservable.mutate({ id: caseId, text })
              announce(
                added.length === 0
                  ? 'No new observable was found in the text'
                  : `${plural(added.length, 'observable')} added`,
              )
              if (added.length > 0) onClose()
              await onAdded()
            } catch (error) {
              announceFailure('Nothing was added', error)
            }
          }}
        >
          Find and add
        </Button>
      </DialogActions>
    </Dialog>
  )
}
