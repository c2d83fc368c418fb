import type { AlertState, Phase, RunState, Severity, Tlp } from '@redoubt/contract'
import type { ReactNode } from 'react'
import { Icon, type IconName } from './icon.tsx'
import { phaseWords, runStateWords, severityWords } from './words.ts'

const severityColour: Record<Severity, string> = {
  critical: 'text-critical',
  high: 'text-high',
  medium: 'text-medium',
  low: 'text-low',
  informational: 'text-informational',
}

const severityMark: Record<Severity, string> = {
  critical: 'text-critical-mark',
  high: 'text-high-mark',
  medium: 'text-medium-mark',
  low: 'text-low-mark',
  informational: 'text-informational-mark',
}

/** Each severity has a shape of its own, so that it reads without colour. */
function SeverityShape({ severity }: { severity: Severity }) {
  return (
    <svg
      aria-hidden="true"
      width="12"
      height="12"
      viewBox="0 0 12 12"
      className={`shrink-0 ${severityMark[severity]}`}
      fill="currentColor"
    >
      {severity === 'critical' && <path d="M3.6.5h4.8l3.1 3.1v4.8l-3.1 3.1H3.6L.5 8.4V3.6z" />}
      {severity === 'high' && <path d="M6 .8L11.6 11H.4z" />}
      {severity === 'medium' && <path d="M6 .5L11.5 6 6 11.5.5 6z" />}
      {severity === 'low' && <circle cx="6" cy="6" r="4.5" />}
      {severity === 'informational' && (
        <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" strokeWidth="1.5" />
      )}
    </svg>
  )
}

export function SeverityBadge({ severity, short = false }: { severity: Severity; short?: boolean }) {
  return (
    <span className={`inline-flex items-center gap-1.5 text-sm font-medium ${severityColour[severity]}`}>
      <SeverityShape severity={severity} />
      <span className={short ? 'sr-only' : ''}>{severityWords[severity]}</span>
    </span>
  )
}

const tlpColour: Record<Tlp, string> = {
  CLEAR: 'text-tlp-clear',
  GREEN: 'text-tlp-green',
  AMBER: 'text-tlp-amber',
  'AMBER+STRICT': 'text-tlp-amber',
  RED: 'text-tlp-red',
}

/** The label of TLP 2.0 in the colours FIRST prescribes: its own on black, in both themes. */
export function TlpBadge({ tlp }: { tlp: Tlp }) {
  return (
    <span
      className={`inline-flex h-5 items-center rounded-sm bg-black px-1.5 font-mono text-2xs font-medium whitespace-nowrap ring-1 ring-line ${tlpColour[tlp]}`}
    >
      TLP:{tlp}
    </span>
  )
}

/** The same in a table, where a black label on every row would shout: the colours as a small mark beside the word. */
export function TlpMark({ tlp }: { tlp: Tlp }) {
  return (
    <span className="inline-flex items-center gap-1.5 text-xs whitespace-nowrap text-quiet">
      <svg aria-hidden="true" width="12" height="12" viewBox="0 0 12 12" className={`shrink-0 ${tlpColour[tlp]}`}>
        <rect width="12" height="12" rx="3" className="fill-black" />
        <circle cx="6" cy="6" r="3" fill="currentColor" />
      </svg>
      <span>
        <span className="sr-only">TLP:</span>
        {tlp}
      </span>
    </span>
  )
}

/** A neutral label. */
export function Tag({ children, icon, strong = false }: { children: ReactNode; icon?: IconName; strong?: boolean }) {
  return (
    <span
      className={`inline-flex h-5 items-center gap-1 rounded-sm px-1.5 text-xs font-medium whitespace-nowrap ${
        strong ? 'bg-accent-soft text-accent' : 'bg-hover text-quiet'
      }`}
    >
      {icon && <Icon name={icon} className="-ml-0.5 scale-75" />}
      {children}
    </span>
  )
}

const alertStateLook: Record<AlertState, { word: string; icon: IconName; strong: boolean }> = {
  new: { word: 'New', icon: 'inbox', strong: true },
  acknowledged: { word: 'Acknowledged', icon: 'check', strong: false },
  'in-case': { word: 'In case', icon: 'case', strong: false },
  dismissed: { word: 'Dismissed', icon: 'close', strong: false },
}
export function AlertStateBadge({ state }: { state: AlertState }) {
  const look = alertStateLook[state]
  return (
    <Tag icon={look.icon} strong={look.strong}>
      {look.word}
    </Tag>
  )
}

export function PhaseBadge({ phase }: { phase: Phase }) {
  return <Tag strong={phase !== 'closed'}>{phaseWords[phase]}</Tag>
}

export const runStateIcon: Record<RunState, IconName> = {
  queued: 'clock',
  sent: 'right',
  running: 'run',
  waiting: 'wait',
  succeeded: 'check',
  failed: 'close',
  rejected: 'close',
  cancelled: 'stop',
}
export function RunStateBadge({ state }: { state: RunState }) {
  const isBad = state === 'failed' || state === 'rejected'
  const isLive = state === 'waiting' || state === 'running'
  return (
    <span
      className={`inline-flex h-5 items-center gap-1 rounded-sm px-1.5 text-xs font-medium whitespace-nowrap ${
        isBad ? 'bg-danger-soft text-danger' : isLive ? 'bg-accent-soft text-accent' : 'bg-hover text-quiet'
      }`}
    >
      <Icon name={runStateIcon[state]} className="-ml-0.5 scale-75" />
      {runStateWords[state]}
    </span>
  )
}
