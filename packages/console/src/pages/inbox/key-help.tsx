import { Kbd } from '../../components/button.tsx'
import { Dialog } from '../../components/dialog.tsx'

const keys = [
  ['j', 'Next alert'],
  ['k', 'Previous alert'],
  ['Enter', 'Open beside the list'],
  ['Esc', 'Close, or clear the selection'],
  ['x', 'Select'],
  ['e', 'Acknowledge'],
  ['c', 'Open a case'],
  ['m', 'Add to a case'],
  ['a', 'Assign'],
  ['d', 'Dismiss'],
  ['r', 'Reopen'],
  ['/', 'Search'],
  ['Ctrl K', 'Commands'],
  ['?', 'This list'],
] as const

export function KeyHelp({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl className="grid grid-cols-[72px_1fr] gap-y-2 text-sm">
        {keys.map(([key, does]) => (
          <div key={key} className="contents">
            <dt>
              <Kbd>{key}</Kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}
