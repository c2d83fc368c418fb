import { useState } from 'react'
import { useWorkplace } from '../../api/session.tsx'
import { Button, IconButton } from '../../components/button.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import { TextField } from '../../components/fields.tsx'
import { Menu, MenuItem } from '../../components/menu.tsx'
import { type InboxSearch, inboxSearch } from '../../search-params.ts'

type Filters = Omit<InboxSearch, 'alert'>
type View = { readonly name: string; readonly search: Filters }

const blank = {
  state: undefined,
  severity: undefined,
  source: undefined,
  assignee: undefined,
  search: undefined,
  observable: undefined,
}

/** Filters under a name, kept in this browser for this organization. */
export function SavedViews({
  search,
  onApply,
}: {
  search: Filters
  onApply: (change: { [K in keyof Filters]?: Filters[K] | undefined }) => void
}) {
  const { organization } = useWorkplace().membership
  const key = `redoubt.views.${organization.id}`
  const [views, setViews] = useState(() => read(key))
  const [isNaming, setNaming] = useState(false)
  const [name, setName] = useState('')
  const store = (next: readonly View[]) => {
    localStorage.setItem(key, JSON.stringify(next))
    setViews(next)
  }
  return (
    <>
      <Menu label="Saved filters" trigger={<IconButton icon="filter" label="Saved filters" />}>
        {[
          ...views.map((view) => (
            <MenuItem
              key={`view-${view.name}`}
              id={`view-${view.name}`}
              onAction={() => onApply({ ...blank, ...view.search })}
            >
              {view.name}
            </MenuItem>
          )),
          <MenuItem key="save" id="save" icon="plus" onAction={() => setNaming(true)}>
            Save these filters
          </MenuItem>,
          ...(views.length > 0
            ? [
                <MenuItem key="forget" id="forget" icon="close" onAction={() => store([])}>
                  Forget saved filters
                </MenuItem>,
              ]
            : []),
        ]}
      </Menu>
      {isNaming && (
        <Dialog title="Save these filters" onClose={() => setNaming(false)}>
          <form
            className="flex flex-col gap-4"
            onSubmit={(event) => {
              event.preventDefault()
              const trimmed = name.trim()
              if (trimmed === '') return
              store([...views.filter((view) => view.name !== trimmed), { name: trimmed, search }].slice(-20))
              setNaming(false)
              setName('')
            }}
          >
            <TextField label="Name" value={name} onChange={setName} autoFocus maxLength={40} />
            <DialogActions>
              <Button type="submit" tone="primary">
                Save
              </Button>
            </DialogActions>
          </form>
        </Dialog>
      )}
    </>
  )
}

function read(key: string): readonly View[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(key) ?? '[]')
    if (!Array.isArray(stored)) return []
    return stored.flatMap((each: unknown) =>
      typeof each === 'object' && each !== null && 'name' in each && typeof each.name === 'string' && 'search' in each
        ? [{ name: each.name, search: inboxSearch(Object(each.search)) }]
        : [],
    )
  } catch {
    return []
  }
}
