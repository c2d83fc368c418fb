import { type ReactNode, useEffect, useId, useRef, useState } from 'react'
import { Icon, type IconName } from './icon.tsx'

export type Command = {
  readonly id: string
  readonly label: string
  readonly note?: string
  readonly icon: IconName
  readonly run: () => void
}

type CommandListProps = {
  label: string
  placeholder: string
  /** What may be chosen for what is typed. */
  commandsFor: (typed: string) => readonly Command[]
  onDone: () => void
  autoFocus?: boolean
  /** Wraps the options, for a popover. */
  frame?: (options: ReactNode) => ReactNode
  inputClassName?: string
  inputRef?: React.RefObject<HTMLInputElement | null>
}

/** A text field whose matches are chosen with the arrows and Enter (ARIA combobox with a list). */
export function CommandList({
  label,
  placeholder,
  commandsFor,
  onDone,
  autoFocus = false,
  frame,
  inputClassName = '',
  inputRef,
}: CommandListProps) {
  const id = useId()
  const own = useRef<HTMLInputElement>(null)
  const input = inputRef ?? own
  const list = useRef<HTMLDivElement>(null)
  const [typed, setTyped] = useState('')
  const [at, setAt] = useState(0)
  const [open, setOpen] = useState(autoFocus)
  const commands = open ? commandsFor(typed) : []
  const chosen = commands[Math.min(at, commands.length - 1)]
  useEffect(() => {
    if (autoFocus) input.current?.focus()
  }, [autoFocus, input])
  useEffect(() => {
    if (chosen) document.getElementById(`${id}-${chosen.id}`)?.scrollIntoView({ block: 'nearest' })
  }, [chosen, id])
  const run = (command: Command) => {
    setTyped('')
    setOpen(autoFocus)
    input.current?.blur()
    onDone()
    command.run()
  }
  const options = commands.length > 0 && (
    <div
      ref={list}
      role="listbox"
      id={`${id}-list`}
      aria-label={label}
      className="scroll-thin max-h-96 overflow-auto p-1"
    >
      {commands.map((command) => (
        <div
          role="option"
          key={command.id}
          id={`${id}-${command.id}`}
          tabIndex={-1}
          aria-selected={command === chosen}
          onMouseDown={(event) => event.preventDefault()}
          onMouseMove={() => setAt(commands.indexOf(command))}
          onClick={() => run(command)}
          onKeyDown={() => {}}
          className={`flex min-h-9 cursor-pointer items-center gap-3 rounded-md px-2 py-1 text-sm ${command === chosen ? 'bg-hover' : ''}`}
        >
          <Icon name={command.icon} className="text-faint" />
          <span className="min-w-0 flex-1 truncate">{command.label}</span>
          {command.note && <span className="max-w-[50%] truncate text-xs text-faint">{command.note}</span>}
        </div>
      ))}
    </div>
  )
  return (
    <>
      <input
        ref={input}
        type="text"
        role="combobox"
        aria-label={label}
        aria-expanded={commands.length > 0}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={chosen ? `${id}-${chosen.id}` : undefined}
        autoComplete="off"
        spellCheck={false}
        placeholder={placeholder}
        value={typed}
        onFocus={() => setOpen(true)}
        onBlur={() => !autoFocus && setOpen(false)}
        onChange={(event) => {
          setTyped(event.target.value)
          setAt(0)
          setOpen(true)
        }}
        onKeyDown={(event) => {
          const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
          if (step !== 0 && commands.length > 0) {
            event.preventDefault()
            setAt((Math.min(at, commands.length - 1) + step + commands.length) % commands.length)
          }
          if (event.key === 'Enter' && chosen) {
            event.preventDefault()
            run(chosen)
          }
          if (event.key === 'Escape' && !autoFocus) {
            setOpen(false)
            input.current?.blur()
          }
        }}
        className={inputClassName}
      />
      {options && (frame ? frame(options) : options)}
    </>
  )
}
