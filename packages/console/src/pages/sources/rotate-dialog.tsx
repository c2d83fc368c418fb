import type { Source } from '@redoubt/contract'
import { useMutation } from '@tanstack/react-query'
import { useApi } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import { ErrorNote } from '../../components/feedback.tsx'
import { CredentialsView } from './credentials-view.tsx'

/** Asked because the old credentials stop at once: until the product has the new ones, its alerts are refused. */
export function RotateDialog({ source, onClose }: { source: Source; onClose: () => void }) {
  const { trpc, queries } = useApi()
  const rotate = useMutation(trpc.sources.rotate.mutationOptions(), queries)
  if (rotate.data) {
    return (
      <Dialog title={`New credentials of ${source.name}`} onClose={onClose} wide insist>
        <CredentialsView credentials={rotate.data} source={source} />
        <DialogActions>
          <Button tone="primary" onPress={onClose}>
            I have copied them
          </Button>
        </DialogActions>
      </Dialog>
    )
  }
  return (
    <Dialog title={`Replace the credentials of ${source.name}?`} onClose={onClose}>
      <p className="text-sm text-quiet">
        The present ones stop at once. Alerts are refused until {source.name} uses the new ones.
      </p>
      <ErrorNote error={rotate.error} />
      <DialogActions>
        <Button onPress={onClose}>Keep the present ones</Button>
        <Button tone="danger" busy={rotate.isPending} onPress={() => rotate.mutate({ id: source.id })}>
          Replace
        </Button>
      </DialogActions>
    </Dialog>
  )
}
