import { useMay } from '../../api/session.tsx'
import { Button, Kbd } from '../../components/button.tsx'
import type { IconName } from '../../components/icon.tsx'

export type Acts = {
  readonly acknowledge: () => void
  readonly reopen: () => void
  readonly openCase: () => void
  readonly addToCase: () => void
  readonly assign: () => void
  readonly dismiss: () => void
}

/** What can be done to the chosen alerts, in the place of the filters. */
export function SelectionBar({ count, acts, onClear }: { count: number; acts: Acts; onClear: () => void }) {
  const may = useMay()
  const offers: readonly { label: string; icon: IconName; keyName: string; run: () => void; may: boolean }[] = [
    { label: 'Acknowledge', icon: 'check', keyName: 'e', run: acts.acknowledge, may: may('alert:triage') },
    { label: 'Open case', icon: 'case', keyName: 'c', run: acts.openCase, may: may('case:open') },
    { label: 'Add to case', icon: 'merge', keyName: 'm', run: acts.addToCase, may: may('case:edit') },
    { label: 'Assign', icon: 'user', keyName: 'a', run: acts.assign, may: may('alert:triage') },
    { label: 'Dismiss', icon: 'close', keyName: 'd', run: acts.dismiss, may: may('alert:triage') },
  ]
  return (
    <div className="flex min-h-10 shrink-0 flex-wrap items-center gap-2 px-4 pb-2">
      <span role="status" className="mr-1 text-sm font-medium">
        {count} selected
      </span>
      {offers
        .filter((offer) => offer.may)
        .map((offer) => (
          <Button key={offer.label} size="small" icon={offer.icon} onPress={offer.run}>
            {offer.label}
            <span className="-mr-0.5 max-md:hidden">
              <Kbd>{offer.keyName}</Kbd>
            </span>
          </Button>
        ))}
      <Button size="small" tone="ghost" onPress={onClear}>
        Clear
      </Button>
    </div>
  )
}
