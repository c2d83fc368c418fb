import { useNavigate } from '@tanstack/react-router'
import { useRef } from 'react'
import { useMay, useWorkplace } from '../api/session.tsx'
import { Kbd } from '../components/button.tsx'
import { type Command, CommandList } from '../components/command-list.tsx'
import { Icon } from '../components/icon.tsx'
import { useKeys } from '../components/keys.ts'

/** Something that an alert would carry as an observable: an address, a domain, a hash, an e-mail, a URL. */
const looksLikeObservable = (text: string) => /^[^\s]+[.:@/][^\s]+$|^[0-9a-f]{32,128}$/i.test(text)

/** Searches by filling the filters of the inbox and the case list, so that every search has its own URL. */
export function SearchField() {
  const input = useRef<HTMLInputElement>(null)
  const commandsFor = useSearchCommands()
  useKeys({ '/': () => input.current?.focus() })
  return (
    <div className="relative w-full max-w-96">
      <Icon name="search" className="pointer-events-none absolute top-2 left-2.5 text-faint" />
      <CommandList
        label="Search alerts and cases"
        placeholder="Search alerts and cases"
        commandsFor={commandsFor}
        onDone={() => {}}
        inputRef={input}
        inputClassName="h-8 w-full rounded-md border border-line bg-surface pr-8 pl-8 text-sm placeholder:text-faint focus:outline-2 focus:outline-accent"
        frame={(options) => (
          <div className="enter absolute inset-x-0 top-10 z-30 rounded-lg bg-surface shadow-overlay">{options}</div>
        )}
      />
      <span aria-hidden="true" className="pointer-events-none absolute top-1.5 right-1.5">
        <Kbd>/</Kbd>
      </span>
    </div>
  )
}

/** The searches that a typed text offers. */
export function useSearchCommands(): (typed: string) => readonly Command[] {
  const navigate = useNavigate()
  const may = useMay()
  const { slug } = useWorkplace().membership.organization
  return (typed) => {
    const text = typed.trim()
    if (text === '') return []
    const byTitle: Command = {
      id: 'alerts-title',
      icon: 'inbox',
      label: `Alerts about “${text}”`,
      run: () => void navigate({ to: '/o/$slug/inbox', params: { slug }, search: { state: 'any', search: text } }),
    }
    const byObservable: Command = {
      id: 'alerts-observable',
      icon: 'observable',
      label: `Alerts naming exactly ${text}`,
      run: () => void navigate({ to: '/o/$slug/inbox', params: { slug }, search: { state: 'any', observable: text } }),
    }
    const alerts = looksLikeObservable(text) ? [byObservable, byTitle] : [byTitle, byObservable]
    const inCases: Command = {
      id: 'cases',
      icon: 'case',
      label: `Cases about “${text}”`,
      run: () => void navigate({ to: '/o/$slug/cases', params: { slug }, search: { show: 'all', search: text } }),
    }
    return [...(may('alert:read') ? alerts : []), ...(may('case:read') ? [inCases] : [])]
  }
}
