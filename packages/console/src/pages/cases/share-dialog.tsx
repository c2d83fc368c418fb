import type { Case, Tlp } from '@redoubt/contract'
import { useState } from 'react'
import { useApi } from '../../api/session.tsx'
import { TlpBadge } from '../../components/badges.tsx'
import { Button } from '../../components/button.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import { SelectField } from '../../components/fields.tsx'
import { Icon } from '../../components/icon.tsx'
import { usePeople } from '../../components/person-picker.tsx'
import { announce } from '../../components/toast.tsx'
import { audienceWords, keysOf, tlps, tlpWords } from '../../components/words.ts'
import type { CaseEditing } from './use-case.ts'

/** TLP, audience and named recipients of a case, with a preview of who will see it (AZ-5). */
export function ShareDialog({ of, editing, onClose }: { of: Case; editing: CaseEditing; onClose: () => void }) {
  const { client } = useApi()
  const people = usePeople()
  const [tlp, setTlp] = useState<Tlp>(of.tlp)
  const [audience, setAudience] = useState(of.audience)
  const [recipients, setRecipients] = useState<ReadonlySet<string>>(new Set(of.recipients.map((each) => each.id)))
  const needsRecipient = tlp === 'RED' && recipients.size === 0
  const known = new Map([...of.recipients, ...people].map((person) => [person.id as string, person.name]))
  const seers =
    tlp === 'RED'
      ? recipients.size === 0
        ? 'Nobody until a recipient is named'
        : `Only ${[...recipients].map((id) => known.get(id)).join(', ')}`
      : audience === 'organization'
        ? 'Every member of the organization'
        : `The owner, ${recipients.size} named, moderators and admins`
  return (
    <Dialog title="TLP and audience" onClose={onClose} wide>
      <fieldset className="flex flex-col gap-1">
        <legend className="mb-1 text-sm font-medium">Traffic Light Protocol</legend>
        {tlps.map((each) => (
          <label
            key={each}
            className="flex min-h-9 cursor-pointer items-center gap-3 rounded-md px-2 text-sm hover:bg-hover has-checked:bg-accent-soft"
          >
            <input
              type="radio"
              name="tlp"
              checked={tlp === each}
              onChange={() => setTlp(each)}
              className="size-4 accent-accent"
            />
            <span className="w-36">
              <TlpBadge tlp={each} />
            </span>
            <span className="text-quiet">{tlpWords[each]}</span>
          </label>
        ))}
      </fieldset>
      {tlp !== 'RED' && (
        <SelectField
          label="Within the organization"
          value={audience}
          options={keysOf(audienceWords).map((each) => ({ value: each, label: audienceWords[each] }))}
          onChange={setAudience}
        />
      )}
      {(tlp === 'RED' || audience === 'named') && (
        <fieldset>
          <legend className="mb-1 text-sm font-medium">Named recipients</legend>
          <div className="scroll-thin grid max-h-48 gap-x-4 overflow-auto sm:grid-cols-2">
            {[...known].map(([id, name]) => (
              <label key={id} className="flex h-8 cursor-pointer items-center gap-2 text-sm">
                <input
                  type="checkbox"
                  checked={recipients.has(id)}
                  onChange={() => {
                    const next = new Set(recipients)
                    if (!next.delete(id)) next.add(id)
                    setRecipients(next)
                  }}
                  className="size-4 accent-accent"
                />
                <span className="truncate">{name}</span>
              </label>
            ))}
          </div>
        </fieldset>
      )}
      <p className="flex items-start gap-2 rounded-md bg-sunken px-3 py-2 text-sm">
        <Icon name="observable" className="mt-0.5 text-faint" />
        <span>
          <span className="text-faint">Who will see this case: </span>
          {seers}.
        </span>
      </p>
      <DialogActions>
        <Button onPress={onClose}>Cancel</Button>
        <Button
          tone="primary"
          isDisabled={needsRecipient}
          onPress={async () => {
            const done = await editing.attempt('Sharing did not change', (version) =>
              client.cases.share.mutate({ id: of.id, version, tlp, audience, recipientIds: [...recipients] }),
            )
            if (!done) return
            announce('Sharing changed')
            onClose()
          }}
        >
          {needsRecipient ? 'Name a recipient first' : 'Save'}
        </Button>
      </DialogActions>
    </Dialog>
  )
}
