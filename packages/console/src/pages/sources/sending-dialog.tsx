import type { Source } from '@redoubt/contract'
import { useQuery } from '@tanstack/react-query'
import { useApi } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { CopyCommand, CopyField } from '../../components/copy-field.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import { curlOf } from './curl.ts'

/** How to send alerts to a source at any later time; its token is not known here any more. */
export function SendingDialog({ source, onClose }: { source: Source; onClose: () => void }) {
  return (
    <Dialog title={`Send alerts to ${source.name}`} onClose={onClose} wide>
      <CopyField label="Address" value={source.url} hint="Where this source sends its alerts, with POST." />
      <CopyCommand
        label="Try it"
        value={curlOf(source.url, 'TOKEN')}
        hint="Put the source’s token in place of TOKEN. It was shown once; where it is lost, replace the credentials."
      />
      <VendorSteps type={source.type} />
      <DialogActions>
        <Button tone="primary" onPress={onClose}>
          Done
        </Button>
      </DialogActions>
    </Dialog>
  )
}

/** What to do at the product that sends the alerts. */
export function VendorSteps({ type }: { type: Source['type'] }) {
  const { trpc, queries } = useApi()
  const adapters = useQuery(trpc.sources.adapters.queryOptions({}, { staleTime: Number.POSITIVE_INFINITY }), queries)
  const adapter = adapters.data?.items.find((each) => each.type === type)
  if (!adapter) return null
  return (
    <div>
      <h3 className="mb-1 text-sm font-medium">
        {type === 'generic' ? 'What may be sent' : `What to do at ${adapter.vendor}`}
      </h3>
      <p className="text-sm whitespace-pre-wrap text-quiet">{adapter.instructions}</p>
    </div>
  )
}
