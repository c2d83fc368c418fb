import { type ReactNode, useEffect, useRef } from 'react'
import { IconButton } from './button.tsx'

type DrawerProps = {
  label: string
  onClose: () => void
  children: ReactNode
  header?: ReactNode
}

/**
 * Details beside a list, so that the list is never lost: a column of its own on a wide screen, a sheet over the list on
 * a phone. Not modal: `j` and `k` go on moving through the list. Escape closes it.
 */
export function Drawer({ label, onClose, children, header }: DrawerProps) {
  const panel = useRef<HTMLElement>(null)
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' || event.defaultPrevented) return
      if (document.querySelector('[role=dialog]')) return
      onClose()
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [onClose])
  useEffect(() => {
    // On a phone the sheet covers the list, so focus must not stay underneath it.
    if (matchMedia('(max-width: 859px)').matches) panel.current?.focus()
  }, [])
  return (
    <aside
      ref={panel}
      tabIndex={-1}
      aria-label={label}
      className="enter fixed inset-0 z-30 flex flex-col bg-surface outline-none md:static md:z-0 md:w-[420px] md:shrink-0 md:border-l md:border-line xl:w-[480px]"
    >
      <header className="flex h-12 shrink-0 items-center gap-2 border-b border-line pr-2 pl-4">
        <div className="min-w-0 flex-1">{header}</div>
        <IconButton icon="close" label="Close details" onPress={onClose} />
      </header>
      <div className="scroll-thin min-h-0 flex-1 overflow-auto">{children}</div>
    </aside>
  )
}

/** One part of a drawer or side column, with its heading. */
export function Section({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <section className="border-b border-line px-4 py-3 last:border-b-0">
      <div className="mb-2 flex min-h-6 items-center justify-between gap-2">
        <h3 className="text-xs font-semibold text-faint">{title}</h3>
        {aside}
      </div>
      {children}
    </section>
  )
}

/** Name and value pairs in two aligned columns. */
export function Facts({ children }: { children: ReactNode }) {
  return <dl className="grid grid-cols-[96px_minmax(0,1fr)] gap-x-3 gap-y-2 text-sm">{children}</dl>
}
export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt className="text-faint">{name}</dt>
      <dd className="min-w-0 break-words">{children}</dd>
    </>
  )
}
