import { useQuery } from '@tanstack/react-query'
import { useDeferredValue, useState } from 'react'
import { useApi } from '../api/session.tsx'
import { SeverityBadge } from './badges.tsx'
import { Dialog } from './dialog.tsx'
import { TextField } from './fields.tsx'

type Picked = { id: string; number: number; title: string }

/** Chooses an open case by words of its title. */
export function CasePicker({
  title,
  except,
  onPick,
  onClose,
}: {
  title: string
  except?: string
  onPick: (picked: Picked) => void
  onClose: () => void
}) {
  const { trpc, queries } = useApi()
  const [typed, setTyped] = useState('')
  const search = useDeferredValue(typed.trim())
  const found = useQuery(
    trpc.cases.list.queryOptions({ open: true, limit: 20, ...(search ? { search } : {}) }),
    queries,
  )
  const items = (found.data?.items ?? []).filter((each) => each.id !== except)
  return (
    <Dialog title={title} onClose={onClose} wide>
      <TextField label="Words of the title" value={typed} onChange={setTyped} autoFocus />
      <ul className="-mx-2 max-h-80 overflow-auto">
        {items.map((each) => (
          <li key={each.id}>
            <button
              type="button"
              onClick={() => {
                onPick(each)
                onClose()
              }}
              className="flex min-h-9 w-full items-center gap-3 rounded-md px-2 text-left text-sm hover:bg-hover"
            >
              <span className="w-12 shrink-0 text-faint">#{each.number}</span>
              <span className="min-w-0 flex-1 truncate">{each.title}</span>
              <SeverityBadge severity={each.severity} />
            </button>
          </li>
        ))}
        {found.data && items.length === 0 && <li className="px-2 text-sm text-quiet">No open case matches.</li>}
      </ul>
    </Dialog>
  )
}
