import type { Case } from '@redoubt/contract'
import { useState } from 'react'
import { useMay } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { Section } from '../../components/drawer.tsx'
import { TextField } from '../../components/fields.tsx'
import type { CaseEditing } from './use-case.ts'

/** What is known, edited in place, and how it ended. */
export function Description({ of, editing }: { of: Case; editing: CaseEditing }) {
  const may = useMay()
  const [draft, setDraft] = useState<string | null>(null)
  const mayEdit = may('case:edit') && of.mergedInto === null
  return (
    <Section
      title="What is known"
      aside={
        mayEdit &&
        draft === null && (
          <Button size="small" tone="ghost" icon="edit" onPress={() => setDraft(of.description)}>
            Edit
          </Button>
        )
      }
    >
      {draft === null ? (
        <p className="max-w-[72ch] text-sm break-words whitespace-pre-wrap">
          {of.description || <span className="text-faint">Nothing has been written down yet.</span>}
        </p>
      ) : (
        <div className="flex flex-col gap-2">
          <TextField
            label="What is known"
            hideLabel
            rows={8}
            value={draft}
            onChange={setDraft}
            autoFocus
            maxLength={20_000}
          />
          <div className="flex gap-2">
            <Button
              tone="primary"
              size="small"
              onPress={async () => {
                setDraft(null)
                if (draft !== of.description) await editing.save({ description: draft })
              }}
            >
              Save
            </Button>
            <Button size="small" tone="ghost" onPress={() => setDraft(null)}>
              Cancel
            </Button>
          </div>
        </div>
      )}
      {of.resolution && (
        <div className="mt-3 rounded-md bg-hover px-3 py-2">
          <h4 className="text-xs font-medium text-faint">Resolution</h4>
          <p className="text-sm break-words whitespace-pre-wrap">{of.resolution}</p>
        </div>
      )}
    </Section>
  )
}
