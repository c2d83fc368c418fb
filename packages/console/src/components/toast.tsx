import { useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { failureOf } from '../api/failure.ts'
import { Button, IconButton } from './button.tsx'
import { Icon } from './icon.tsx'

type Toast = {
  readonly id: number
  readonly text: string
  readonly tone: 'done' | 'failed'
  readonly action?: { readonly label: string; readonly run: () => void }
}

/** Long enough to read a line and to reach the Undo button (WCAG 2.2.1: hovering or focusing keeps it). */
const shownMs = 8000

let toasts: readonly Toast[] = []
let count = 0
const listeners = new Set<() => void>()

function replace(next: readonly Toast[]): void {
  toasts = next
  for (const listener of listeners) listener()
}

/** Says that something is done, with a way back where there is one. */
export function announce(text: string, action?: Toast['action']): void {
  count += 1
  replace([...toasts.slice(-2), { id: count, text, tone: 'done', ...(action ? { action } : {}) }])
}

/** Says that an action failed and that nothing was changed by it. */
export function announceFailure(what: string, error: unknown): void {
  const failure = failureOf(error)
  const request = failure.requestId ? ` Request ${failure.requestId}.` : ''
  count += 1
  replace([
    ...toasts.slice(-2),
    { id: count, text: `${what}: ${failure.detail ?? failure.title}.${request}`.replace('..', '.'), tone: 'failed' },
  ])
}

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => toasts,
  )
  return (
    <section
      aria-label="Notifications"
      aria-live="polite"
      className="pointer-events-none fixed inset-x-0 bottom-16 z-50 flex flex-col items-center gap-2 px-4 md:bottom-4"
    >
      {shown.map((toast) => (
        <ToastCard key={toast.id} toast={toast} />
      ))}
    </section>
  )
}

function ToastCard({ toast }: { toast: Toast }) {
  const [held, setHeld] = useState(false)
  const close = useRef(() => replace(toasts.filter((each) => each.id !== toast.id)))
  useEffect(() => {
    if (held) return
    const timer = setTimeout(close.current, shownMs)
    return () => clearTimeout(timer)
  }, [held])
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: hovering only keeps the message; nothing is operated by it
    <div
      onMouseEnter={() => setHeld(true)}
      onMouseLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
      className="enter pointer-events-auto flex min-h-10 max-w-full items-center gap-2 rounded-lg bg-surface py-1 pr-1 pl-3 text-sm shadow-overlay"
    >
      <Icon
        name={toast.tone === 'done' ? 'check' : 'warning'}
        className={toast.tone === 'done' ? 'text-accent' : 'text-danger'}
      />
      <span className="py-1">{toast.text}</span>
      {toast.action && (
        <Button
          tone="ghost"
          size="small"
          className="text-accent"
          onPress={() => {
            toast.action?.run()
            close.current()
          }}
        >
          {toast.action.label}
        </Button>
      )}
      <IconButton icon="close" label="Close notification" onPress={() => close.current()} />
    </div>
  )
}
