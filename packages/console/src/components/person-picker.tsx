import { useQuery } from '@tanstack/react-query'
import { useApi, useMay, useMe } from '../api/session.tsx'
import { CommandList } from './command-list.tsx'
import { Dialog } from './dialog.tsx'

type PersonPickerProps = {
  title: string
  /** What choosing nobody is called; left out when somebody must be chosen. */
  nobody?: string
  onPick: (person: { id: string; name: string } | null) => void
  onClose: () => void
}

/** Chooses a member of the organization; oneself comes first. */
export function PersonPicker({ title, nobody, onPick, onClose }: PersonPickerProps) {
  const people = usePeople()
  const me = useMe()
  return (
    <Dialog title={title} onClose={onClose}>
      <CommandList
        label={title}
        placeholder="Type a name"
        autoFocus
        onDone={onClose}
        inputClassName="h-9 w-full rounded-md border border-control bg-surface px-2"
        commandsFor={(typed) => {
          const words = typed.toLowerCase()
          return [
            ...people
              .filter((person) => person.name.toLowerCase().includes(words))
              .map((person) => ({
                id: person.id,
                icon: 'user' as const,
                label: person.name,
                ...(person.id === me.user.id ? { note: 'You' } : {}),
                run: () => onPick(person),
              })),
            ...(nobody && words === ''
              ? [{ id: 'nobody', icon: 'close' as const, label: nobody, run: () => onPick(null) }]
              : []),
          ]
        }}
      />
    </Dialog>
  )
}

/** The members one may choose from, oneself first. Only oneself when the list of members may not be read. */
export function usePeople(): readonly { id: string; name: string }[] {
  const { trpc, queries } = useApi()
  const me = useMe()
  const may = useMay()
  const members = useQuery(
    trpc.members.list.queryOptions({}, { enabled: may('member:read'), staleTime: 60_000 }),
    queries,
  )
  const others = (members.data?.items ?? [])
    .filter((member) => member.userId !== me.user.id)
    .map((member) => ({ id: member.userId, name: member.name }))
  return [{ id: me.user.id, name: me.user.name }, ...others]
}
