import type { Case, TimelineEntry } from '@redoubt/contract'
import { useInfiniteQuery, useMutation } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { useApi, useMay, useWorkplace } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { Ago } from '../../components/clock.tsx'
import { Section } from '../../components/drawer.tsx'
import { ErrorNote, ErrorState } from '../../components/feedback.tsx'
import { TextField } from '../../components/fields.tsx'
import { ChoiceFilter } from '../../components/filters.tsx'
import { Icon, type IconName } from '../../components/icon.tsx'
import { keysOf, phaseWords, timelineWords } from '../../components/words.ts'
import { RunMention } from './run-mention.tsx'

const icons: Record<TimelineEntry['kind'], IconName> = {
  opened: 'case',
  'alert-added': 'inbox',
  'phase-changed': 'phase',
  edited: 'edit',
  shared: 'lock',
  comment: 'comment',
  task: 'task',
  observable: 'observable',
  run: 'run',
  'sla-breached': 'clock',
  merged: 'merge',
}

/** What happened, newest first, with a field for what one has to say. */
export function CaseTimeline({ of }: { of: Case }) {
  const { trpc, queries } = useApi()
  const may = useMay()
  const [kind, setKind] = useState<TimelineEntry['kind'] | undefined>()
  const query = useInfiniteQuery(
    trpc.cases.timeline.infiniteQueryOptions(
      { id: of.id, limit: 50, ...(kind ? { kind: [kind] } : {}) },
      { getNextPageParam: (page) => page.next ?? undefined },
    ),
    queries,
  )
  const entries = query.data?.pages.flatMap((page) => page.items) ?? []
  return (
    <Section
      title="Timeline"
      aside={
        <ChoiceFilter
          label="Everything"
          value={kind ?? ''}
          options={keysOf(timelineWords).map((each) => ({ value: each, label: timelineWords[each] }))}
          onChange={setKind}
        />
      }
    >
      {may('case:comment') && of.mergedInto === null && <Composer caseId={of.id} />}
      {query.isPending && <div className="skeleton h-24" />}
      {query.isError && entries.length === 0 && <ErrorState error={query.error} retry={() => void query.refetch()} />}
      <ol className="mt-2">
        {entries.map((entry, index) => (
          <Entry key={entry.id} entry={entry} isLast={index === entries.length - 1} />
        ))}
      </ol>
      {query.data && entries.length === 0 && <p className="py-4 text-sm text-quiet">Nothing of this kind happened.</p>}
      {query.hasNextPage && (
        <Button size="small" busy={query.isFetchingNextPage} onPress={() => void query.fetchNextPage()}>
          Earlier
        </Button>
      )}
    </Section>
  )
}

function Composer({ caseId }: { caseId: string }) {
  const { trpc, queries } = useApi()
  const [text, setText] = useState('')
  const comment = useMutation(
    trpc.cases.comment.mutationOptions({
      onSuccess: () => {
        setText('')
        return queries.invalidateQueries(trpc.cases.timeline.pathFilter())
      },
    }),
    queries,
  )
  const send = () => {
    if (text.trim() !== '' && !comment.isPending) comment.mutate({ id: caseId, text: text.trim() })
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: Ctrl+Enter is a second way to the button inside
    <div
      className="flex flex-col gap-2 pb-2"
      onKeyDown={(event) => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) send()
      }}
    >
      <TextField
        label="Comment"
        hideLabel
        rows={2}
        placeholder="Write a comment"
        value={text}
        onChange={setText}
        maxLength={10_000}
      />
      <ErrorNote error={comment.error} />
      {text !== '' && (
        <div className="flex items-center gap-3">
          <Button size="small" tone="primary" busy={comment.isPending} onPress={send}>
            Comment
          </Button>
          <span className="text-xs text-faint max-sm:hidden">Ctrl Enter sends</span>
        </div>
      )}
    </div>
  )
}

function Entry({ entry, isLast }: { entry: TimelineEntry; isLast: boolean }) {
  const may = useMay()
  const { slug } = useWorkplace().membership.organization
  const isComment = entry.kind === 'comment'
  return (
    <li className="relative flex gap-3 pb-4">
      {!isLast && <span aria-hidden="true" className="absolute top-6 bottom-0 left-3 border-l border-line" />}
      <span
        className={`z-1 flex size-6 shrink-0 items-center justify-center rounded-full ${
          entry.kind === 'sla-breached' ? 'bg-danger-soft text-danger' : 'bg-hover text-quiet'
        }`}
      >
        <Icon name={icons[entry.kind]} className="scale-75" />
      </span>
      <div className="min-w-0 flex-1 pt-0.5">
        <div className="flex items-start gap-2 text-sm">
          <p className="min-w-0 flex-1 break-words text-quiet">
            <span className="font-medium text-ink">{entry.actor.name}</span>
            {!isComment && (
              <>
                <span className="text-faint"> · </span>
                {wordsOf(entry)}
              </>
            )}
          </p>
          <span className="flex h-5 shrink-0 items-center gap-1 text-xs text-faint">
            {entry.auditEventId && may('audit:read') && (
              <Link
                to="/o/$slug/audit"
                params={{ slug }}
                search={{ event: entry.auditEventId }}
                aria-label="Audit proof"
                title="Audit proof"
                className="rounded-sm p-1 hover:text-accent"
              >
                <Icon name="shield" className="scale-75" />
              </Link>
            )}
            <Ago at={entry.at} />
          </span>
        </div>
        {isComment && (
          <p className="mt-1 max-w-[72ch] rounded-md bg-surface px-3 py-2 text-sm break-words whitespace-pre-wrap shadow-raised">
            {entry.text}
          </p>
        )}
        {entry.kind === 'run' && <RunMention facts={entry.facts} />}
      </div>
    </li>
  )
}

function wordsOf(entry: TimelineEntry): string {
  const { from, to } = entry.facts
  if (entry.kind === 'phase-changed' && isPhase(from) && isPhase(to)) {
    return `moved the case from ${phaseWords[from]} to ${phaseWords[to]}`
  }
  return entry.text
}

const isPhase = (value: unknown): value is Case['phase'] => typeof value === 'string' && value in phaseWords
