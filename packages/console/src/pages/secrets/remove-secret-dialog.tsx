import type { SecretSummary } from '@redoubt/contract'
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { useApi } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import { ErrorNote } from '../../components/feedback.tsx'
import { TextField } from '../../components/fields.tsx'
import { announce } from '../../components/toast.tsx'

/** The path is typed, because what was removed cannot be had back from anywhere. */
export function RemoveSecretDialog({ secret, onClose }: { secret: SecretSummary; onClose: () => void }) {
  const { trpc, queries } = useApi()
  const [typed, setTyped] = useState('')
  const remove = useMutation(
    trpc.secrets.remove.mutationOptions({
      onSuccess: () => {
        announce(`secret://${secret.path} was removed`)
        onClose()
        return queries.invalidateQueries(trpc.secrets.pathFilter())
      },
    }),
    queries,
  )
  return (
    <Dialog title={`Remove ${secret.path}?`} onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          if (typed === secret.path) remove.mutate({ path: secret.path })
        }}
      >
        <p className="text-sm text-quiet">
          All its versions are destroyed, and there is no way back.{' '}
          {secret.settings.length > 0
            ? `${secret.settings.join(' and ')} refers to it: what needs it fails from then on.`
            : 'No setting of the configuration refers to it.'}
        </p>
        <TextField
          label={`Type ${secret.path} to confirm`}
          value={typed}
          onChange={setTyped}
          mono
          autoFocus
          autoComplete="off"
          spellCheck="false"
        />
        <ErrorNote error={remove.error} />
        <DialogActions>
          <Button onPress={onClose}>Keep</Button>
          <Button type="submit" tone="danger" busy={remove.isPending} isDisabled={typed !== secret.path}>
            Remove
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}
