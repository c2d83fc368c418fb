import type { ServiceStatus } from '@redoubt/contract'
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { Form } from 'react-aria-components'
import { useApi } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import { ErrorNote } from '../../components/feedback.tsx'
import { fieldErrorOf, SelectField, TextField } from '../../components/fields.tsx'
import { announce } from '../../components/toast.tsx'

/** Takes a service out of trust: for good, or only the certificate that may have been stolen. */
export function DenyDialog({
  subject,
  services,
  onClose,
}: {
  subject: string
  services: readonly ServiceStatus[]
  onClose: () => void
}) {
  const { trpc, queries } = useApi()
  const service = services.find((each) => each.spiffeId === subject)
  const serial = service?.certificate?.serial
  const [what, setWhat] = useState<'identity' | 'certificate'>('identity')
  const [reason, setReason] = useState('')
  const deny = useMutation(
    trpc.services.deny.mutationOptions({
      onSuccess: () => {
        announce(`${service?.service ?? subject} is denied`)
        onClose()
        return queries.invalidateQueries(trpc.services.pathFilter())
      },
    }),
    queries,
  )
  return (
    <Dialog title={`Deny ${service?.service ?? subject}?`} onClose={onClose}>
      <Form
        validationBehavior="aria"
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          deny.mutate({ subject: what === 'certificate' && serial ? serial : subject, reason })
        }}
      >
        {serial && (
          <SelectField
            label="What is denied"
            value={what}
            options={[
              { value: 'identity', label: 'The service, with every certificate' },
              { value: 'certificate', label: 'Only its present certificate' },
            ]}
            onChange={setWhat}
          />
        )}
        <p className="text-sm text-quiet">
          {what === 'identity'
            ? 'Nobody believes it any more, whatever certificate it shows. Where it runs as a process of its own, its work stops until it is admitted again.'
            : 'Whoever holds this certificate is refused. The service is believed again with its next one, at half of this one’s life.'}
        </p>
        <TextField
          label="Why"
          value={reason}
          onChange={setReason}
          autoFocus
          isRequired
          maxLength={200}
          hint="Shown on the deny-list."
          error={fieldErrorOf(deny.error, 'reason')}
        />
        <ErrorNote error={deny.error} marked={['reason']} />
        <DialogActions>
          <Button onPress={onClose}>Cancel</Button>
          <Button type="submit" tone="danger" busy={deny.isPending}>
            Deny
          </Button>
        </DialogActions>
      </Form>
    </Dialog>
  )
}
