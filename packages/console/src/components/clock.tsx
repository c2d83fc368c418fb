import { useSyncExternalStore } from 'react'
import { Icon } from './icon.tsx'
import { spanOf } from './words.ts'

let now = Date.now()
const listeners = new Set<() => void>()
let timer: ReturnType<typeof setInterval> | undefined

/** The present in milliseconds, renewed every second; one timer for the whole page. */
export function useNow(): number {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      timer ??= setInterval(() => {
        now = Date.now()
        for (const each of listeners) each()
      }, 1000)
      return () => {
        listeners.delete(listener)
        if (listeners.size > 0) return
        clearInterval(timer)
        timer = undefined
      }
    },
    () => now,
  )
}

const moment = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' })
const day = new Intl.DateTimeFormat('en', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  hour12: false,
})
const clock = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', hour12: false })

export const fullTime = (at: string) => moment.format(new Date(at))
export const clockTime = (at: string) => clock.format(new Date(at))

/** How long ago something was, with the exact moment on hover. */
export function Ago({ at, suffix = ' ago' }: { at: string; suffix?: string }) {
  const seconds = (useNow() - Date.parse(at)) / 1000
  const words = seconds < 5 ? 'just now' : seconds < 86_400 ? `${spanOf(seconds)}${suffix}` : day.format(new Date(at))
  return (
    <time dateTime={at} title={fullTime(at)} className="whitespace-nowrap">
      {words}
    </time>
  )
}

/** How long until something, or by how much it is late, with the exact moment on hover. */
export function Until({ at, late = 'late' }: { at: string; late?: string }) {
  const seconds = (Date.parse(at) - useNow()) / 1000
  return (
    <time dateTime={at} title={fullTime(at)} className={`whitespace-nowrap ${seconds < 0 ? 'text-danger' : ''}`}>
      {seconds < 0 ? `${spanOf(-seconds)} ${late}` : `in ${spanOf(seconds)}`}
    </time>
  )
}

export function Moment({ at }: { at: string }) {
  return (
    <time dateTime={at} title={fullTime(at)} className="whitespace-nowrap">
      {day.format(new Date(at))}
    </time>
  )
}

type SlaProps = {
  from: string
  dueAt: string | null
  /** When the response came, if it did. */
  respondedAt?: string | null
  /** Nothing is waited for any more. */
  stopped?: boolean
}

/** The response clock of ALERT-2: what is left as a bar and in words, or by how much it was missed. */
export function SlaClock({ from, dueAt, respondedAt = null, stopped = false }: SlaProps) {
  const present = useNow()
  if (dueAt === null) return <span className="text-xs text-faint">No deadline</span>
  const start = Date.parse(from)
  const due = Date.parse(dueAt)
  if (respondedAt !== null) {
    const took = (Date.parse(respondedAt) - start) / 1000
    const late = Date.parse(respondedAt) > due
    return (
      <span
        className={`inline-flex items-center gap-1 align-middle text-xs whitespace-nowrap ${late ? 'text-danger' : 'text-quiet'}`}
      >
        <Icon name={late ? 'warning' : 'check'} className="scale-75" />
        {late ? 'Late, ' : ''}in {spanOf(took)}
      </span>
    )
  }
  if (stopped) return <span className="text-xs text-faint">Stopped</span>
  const left = (due - present) / 1000
  if (left <= 0) {
    return (
      <span className="inline-flex items-center gap-1 align-middle text-xs font-medium whitespace-nowrap text-danger">
        <Icon name="warning" className="scale-75" />
        {spanOf(-left)} over
      </span>
    )
  }
  const share = Math.min(1, Math.max(0, (present - start) / Math.max(1, due - start)))
  return (
    <span
      className="inline-flex items-center gap-2 align-middle text-xs whitespace-nowrap text-quiet"
      title={`Due ${fullTime(dueAt)}`}
    >
      <svg aria-hidden="true" width="32" height="4" viewBox="0 0 32 4" className="shrink-0">
        <rect width="32" height="4" rx="2" className="fill-line" />
        <rect width={32 * share} height="4" rx="2" className={share > 0.75 ? 'fill-danger' : 'fill-accent'} />
      </svg>
      <span>{spanOf(left)} left</span>
    </span>
  )
}
