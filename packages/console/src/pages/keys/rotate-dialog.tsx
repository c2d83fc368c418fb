import type { RotatableKey } from '@redoubt/contract'
import { useMutation } from '@tanstack/react-query'
import { useApi } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import { ErrorNote } from '../../components/feedback.tsx'
import { announce } from '../../components/toast.tsx'
import { keyWords } from '../../components/words.ts'

/** Says what a rotation does before it is done: there is no way back to an old key. */
export function RotateKeyDialog({ of, onClose }: { of: RotatableKey; onClose: () => void }) {
  const { trpc, queries } = useApi()
  const { name, rotating } = keyWords[of]
  const rotate = useMutation(
    trpc.keys.rotate.mutationOptions({
      onSuccess: () => {
        announce(of === 'data' ? 'The worker rotates the data keys' : `${name}: a new key was made`)
        onClose()
        return queries.invalidateQueries(trpc.keys.pathFilter())
      },
    }),
    queries,
  )
  return (
    <Dialog title={`Rotate: ${name}?`} onClose={onClose}>
      <p className="text-sm text-quiet">{rotating}</p>
      <p className="text-sm text-quiet">Nothing stops meanwhile. The audit log says that it was you.</p>
      <ErrorNote error={rotate.error} />
      <DialogActions>
        <Button onPress={onClose}>Cancel</Button>
        <Button tone="primary" icon="key" busy={rotate.isPending} onPress={() => rotate.mutate({ key: of })}>
          Rotate now
        </Button>
      </DialogActions>
    </Dialog>
  )
}
