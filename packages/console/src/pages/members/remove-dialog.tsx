import type { Member } from '@redoubt/contract'
import { useMutation } from '@tanstack/react-query'
import { useApi } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import { ErrorNote } from '../../components/feedback.tsx'
import { announce } from '../../components/toast.tsx'

/** Asked because there is no way back: sessions end and a new invitation would be needed. */
export function RemoveDialog({
  member,
  onClose,
  onRemoved,
}: {
  member: Member
  onClose: () => void
  onRemoved: () => Promise<void>
}) {
  const { trpc, queries } = useApi()
  const remove = useMutation(
    trpc.members.remove.mutationOptions({
      onSuccess: () => {
        announce(`${member.name} was removed`)
        onClose()
        return onRemoved()
      },
    }),
    queries,
  )
  return (
    <Dialog title={`Remove ${member.name}?`} onClose={onClose}>
      <p className="text-sm text-quiet">
        Access to this organization ends within a second. What they wrote stays. To come back they need a new
        invitation.
      </p>
      <ErrorNote error={remove.error} />
      <DialogActions>
        <Button onPress={onClose}>Keep</Button>
        <Button tone="danger" busy={remove.isPending} onPress={() => remove.mutate({ userId: member.userId })}>
          Remove
        </Button>
      </DialogActions>
    </Dialog>
  )
}
