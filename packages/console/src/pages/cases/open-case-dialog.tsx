import type { Severity, Tlp } from '@redoubt/contract'
import { useMutation } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useApi, useWorkplace } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import { ErrorNote } from '../../components/feedback.tsx'
import { fieldErrorOf, SelectField, TextField } from '../../components/fields.tsx'
import { severities, severityWords, tlps, tlpWords } from '../../components/words.ts'

/** Opens a case by hand. RED is set afterwards, on the case, because it needs its named recipients. */
export function OpenCaseDialog({ onClose }: { onClose: () => void }) {
  const { trpc, queries } = useApi()
  const { slug } = useWorkplace().membership.organization
  const navigate = useNavigate()
  const [title, setTitle] = useState('')
  const [description, setDescription] = useState('')
  const [severity, setSeverity] = useState<Severity>('medium')
  const [tlp, setTlp] = useState<Tlp>('AMBER')
  const open = useMutation(
    trpc.cases.open.mutationOptions({
      onSuccess: ({ id }) => navigate({ to: '/o/$slug/cases/$caseId', params: { slug, caseId: id } }),
    }),
    queries,
  )
  return (
    <Dialog title="Open a case" onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          open.mutate({ title, description, severity, tlp })
        }}
      >
        <TextField
          label="Title"
          value={title}
          onChange={setTitle}
          autoFocus
          isRequired
          error={fieldErrorOf(open.error, 'title')}
        />
        <TextField
          label="What is known"
          rows={5}
          value={description}
          onChange={setDescription}
          error={fieldErrorOf(open.error, 'description')}
        />
        <div className="grid grid-cols-2 gap-4">
          <SelectField
            label="Severity"
            value={severity}
            options={severities.map((each) => ({ value: each, label: severityWords[each] }))}
            onChange={setSeverity}
          />
          <SelectField
            label="TLP"
            value={tlp}
            options={tlps.filter((each) => each !== 'RED').map((each) => ({ value: each, label: `TLP:${each}` }))}
            onChange={setTlp}
            hint={tlpWords[tlp]}
          />
        </div>
        <ErrorNote error={open.error} marked={['title', 'description']} />
        <DialogActions>
          <Button onPress={onClose}>Cancel</Button>
          <Button type="submit" tone="primary" busy={open.isPending}>
            Open case
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}
