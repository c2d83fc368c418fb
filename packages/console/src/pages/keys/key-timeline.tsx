import type { KeyLine } from '@redoubt/contract'
import { useRef } from 'react'
import { useNow } from '../../components/clock.tsx'
import { useWidth } from '../../components/width.ts'
import { keyStateWords, spanOf } from '../../components/words.ts'

type Version = KeyLine['versions'][number]

const height = 22
/** What is shorter than this many pixels would not be seen. */
const least = 4

/**
 * The versions of one key over time: the active one up to now and on to its next rotation, above it what comes, below it
 * what still verifies. Windows of minutes are drawn wider than they are.
 */
export function KeyTimeline({ line, name }: { line: KeyLine; name: string }) {
  const now = useNow()
  const frame = useRef<HTMLDivElement>(null)
  const width = Math.max(80, useWidth(frame))
  const versions = line.versions.filter(({ state }) => state !== 'ended')
  const newest = line.versions[0]
  if (!newest) return null
  const end = Date.parse(line.nextRotationAt)
  const period = end - Date.parse(newest.createdAt)
  const earliest = Math.min(...versions.map(({ activeAt }) => Date.parse(activeAt)))
  const start = Math.max(earliest, Date.parse(newest.createdAt) - period / 2)
  const x = (at: number) => Math.min(1, Math.max(0, (at - start) / Math.max(1, end - start))) * (width - 2) + 1
  return (
    <div ref={frame} className="w-full min-w-24">
      <svg role="img" aria-label={spoken(name, line, now)} width={width} height={height} className="block">
        <path d={`M1 ${height / 2}H${width - 1}`} className="stroke-line" strokeWidth="2" />
        {versions.map((version) => (
          <Segment key={version.version} version={version} x={x} now={now} isLate={now > end} />
        ))}
        <path d={`M${x(now)} 1V${height - 1}`} className="stroke-ink" strokeWidth="1.5" />
      </svg>
    </div>
  )
}

function Segment({
  version,
  x,
  now,
  isLate,
}: {
  version: Version
  x: (at: number) => number
  now: number
  isLate: boolean
}) {
  const from = x(Date.parse(version.activeAt))
  const until = (to: number) => Math.max(least, to - from)
  if (version.state === 'active')
    return (
      <rect x={from} y="7" width={until(x(now))} height="8" rx="2" className={isLate ? 'fill-danger' : 'fill-accent'} />
    )
  if (version.state === 'pending')
    return (
      <rect
        x={from}
        y="1.5"
        width={until(x(Number.POSITIVE_INFINITY))}
        height="4"
        rx="2"
        className="fill-surface stroke-accent"
      />
    )
  const to = version.endsAt === null ? Number.POSITIVE_INFINITY : Date.parse(version.endsAt)
  return <rect x={from} y="17" width={until(x(to))} height="3" rx="1.5" className="fill-informational-mark" />
}

function spoken(name: string, line: KeyLine, now: number): string {
  const states = line.versions.map(
    ({ version, state, activeAt }) =>
      `version ${version} ${keyStateWords[state].toLowerCase()}${state === 'active' ? ` for ${spanOf((now - Date.parse(activeAt)) / 1000)}` : ''}`,
  )
  const left = (Date.parse(line.nextRotationAt) - now) / 1000
  const next = left > 0 ? `next rotation in ${spanOf(left)}` : `rotation late by ${spanOf(-left)}`
  return `${name}: ${states.join(', ')}; ${next}`
}
