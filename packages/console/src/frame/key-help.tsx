import { Kbd } from '../components/button.tsx'
import { Dialog } from '../components/dialog.tsx'

const groups = [
  {
    where: 'Everywhere',
    keys: [
      ['/', 'Search'],
      ['Ctrl K', 'Commands'],
      ['Esc', 'Close'],
      ['?', 'This list'],
    ],
  },
  {
    where: 'In a list',
    keys: [
      ['j', 'Next row'],
      ['k', 'Previous row'],
      ['Enter', 'Open'],
    ],
  },
  {
    where: 'In the inbox',
    keys: [
      ['x', 'Select'],
      ['e', 'Acknowledge'],
      ['c', 'Open a case'],
      ['m', 'Add to a case'],
      ['a', 'Assign'],
      ['d', 'Dismiss'],
      ['r', 'Reopen'],
    ],
  },
  { where: 'In a case', keys: [['Ctrl Enter', 'Send the comment']] },
  { where: 'In a playbook', keys: [['Ctrl S', 'Save']] },
] as const

/** Every key of the console, by the place where it works. */
export function KeyHelp({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose} wide>
      <div className="columns-1 gap-8 sm:columns-2">
        {groups.map(({ where, keys }) => (
          <section key={where} className="mb-4 break-inside-avoid">
            <h3 className="mb-2 text-xs font-medium text-faint">{where}</h3>
            <dl className="grid grid-cols-[80px_1fr] gap-y-1.5 text-sm">
              {keys.map(([key, does]) => (
                <div key={key} className="contents">
                  <dt>
                    <Kbd>{key}</Kbd>
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  )
}
