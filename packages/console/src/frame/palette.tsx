import { operations } from 'virtual:operations'
import { useNavigate } from '@tanstack/react-router'
import { Dialog, Modal, ModalOverlay } from 'react-aria-components'
import { useMay, useMe, useWorkplace } from '../api/session.tsx'
import { type Command, CommandList } from '../components/command-list.tsx'
import { destinations, isKnown } from './destinations.ts'
import { places } from './places.ts'
import { useSearchCommands } from './search.tsx'
import { chooseTheme, themeIcons, themes, themeWords } from './theme.ts'

/** Every place and every operation the person may use, from the contract; what is typed also searches. */
export function Palette({ onClose, onHelp }: { onClose: () => void; onHelp: () => void }) {
  const commandsFor = useCommands(onHelp)
  return (
    <ModalOverlay
      isOpen
      isDismissable
      onOpenChange={(open) => !open && onClose()}
      className="fixed inset-0 z-40 flex items-start justify-center bg-scrim p-3 sm:pt-[14vh]"
    >
      <Modal className="enter w-full max-w-xl rounded-lg bg-surface shadow-overlay">
        <Dialog aria-label="Commands" className="outline-none">
          <CommandList
            label="Go to a place, find, or do something"
            placeholder="Go to a place, find, or do something"
            commandsFor={commandsFor}
            onDone={onClose}
            autoFocus
            inputClassName="h-12 w-full border-b border-line bg-transparent px-4 text-base outline-none placeholder:text-faint"
          />
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}

function useCommands(onHelp: () => void): (typed: string) => readonly Command[] {
  const navigate = useNavigate()
  const may = useMay()
  const me = useMe()
  const search = useSearchCommands()
  const { organization } = useWorkplace().membership
  const { slug } = organization
  const goTo: Command[] = places
    .filter((place) => place.permission === null || may(place.permission))
    .map((place) => ({
      id: place.to,
      icon: place.icon,
      label: place.label,
      note: 'Go to',
      run: () => void navigate({ to: place.to, params: { slug } }),
    }))
  const actions: Command[] = operations.flatMap((operation) => {
    if (!isKnown(operation.name)) return []
    const destination = destinations[operation.name]
    if (destination === null || (operation.permission !== null && !may(operation.permission))) return []
    return [
      {
        id: operation.name,
        icon: destination.icon,
        label: destination.label,
        note: destination.hint ?? operation.summary,
        run: () => destination.go(navigate, slug),
      },
    ]
  })
  const switches: Command[] = me.memberships
    .filter((membership) => membership.organization.id !== organization.id)
    .map((membership) => ({
      id: `switch-${membership.organization.id}`,
      icon: 'organizations',
      label: membership.organization.name,
      note: 'Switch organization',
      run: () => void navigate({ to: '/o/$slug', params: { slug: membership.organization.slug } }),
    }))
  const looks: Command[] = themes.map((theme) => ({
    id: `theme-${theme}`,
    icon: themeIcons[theme],
    label: `${themeWords[theme]} appearance`,
    note: 'Look of the console',
    run: () => chooseTheme(theme),
  }))
  const help: Command = { id: 'keys', icon: 'help', label: 'Keys', note: 'Every key of the console', run: onHelp }
  return (typed) => {
    const words = typed.toLowerCase().split(/\s+/).filter(Boolean)
    const all = [...goTo, ...actions, ...switches, ...looks, help]
    const matching = all.filter((command) => {
      const text = `${command.label} ${command.note ?? ''}`.toLowerCase()
      return words.every((word) => text.includes(word))
    })
    return [...matching, ...search(typed)].slice(0, 40)
  }
}
