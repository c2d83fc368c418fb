import type { Severity } from '@redoubt/contract'
import { useRef } from 'react'
import { clockTime } from './clock.tsx'
import { useWidth } from './width.ts'
import { plural, severities, severityWords } from './words.ts'

/*
 * Charts are plain SVG attributes, so that the policy has no inline style to block. Each is drawn for the width it has,
 * so that its words stay readable on a phone, and carries its figures as text for those who do not see it.
 */

export const severityFills: Record<Severity, string> = {
  critical: 'fill-critical-mark',
  high: 'fill-high-mark',
  medium: 'fill-medium-mark',
  low: 'fill-low-mark',
  informational: 'fill-informational-mark',
}

/** A line without axes, for a table cell. */
export function Sparkline({ values, label }: { values: readonly number[]; label: string }) {
  const width = 96
  const height = 20
  const top = Math.max(1, ...values)
  const step = values.length > 1 ? width / (values.length - 1) : width
  const points = values.map(
    (value, index) => `${(index * step).toFixed(1)},${(height - 2 - (value / top) * (height - 4)).toFixed(1)}`,
  )
  const total = values.reduce((sum, value) => sum + value, 0)
  return (
    <svg
      role="img"
      aria-label={`${label}: ${total} in all, at most ${Math.max(0, ...values)}`}
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
    >
      {total === 0 ? (
        <path d={`M0 ${height - 2}H${width}`} className="stroke-line" strokeDasharray="2 3" fill="none" />
      ) : (
        <>
          <polygon
            points={`0,${height} ${points.join(' ')} ${width},${height}`}
            className="fill-accent"
            fillOpacity="0.12"
          />
          <polyline
            points={points.join(' ')}
            fill="none"
            className="stroke-accent"
            strokeWidth="1.5"
            strokeLinejoin="round"
          />
        </>
      )}
    </svg>
  )
}

export type Bucket = { readonly at: string; readonly severity: Severity; readonly count: number }

/** Alerts over time, stacked by severity, gravest at the bottom where lengths compare best. */
export function AlertsOverTime({ buckets, hours, now }: { buckets: readonly Bucket[]; hours: number; now: number }) {
  const hourMs = 3_600_000
  const lastHour = Math.floor(now / hourMs) * hourMs
  const columns = Array.from({ length: hours }, (_, index) => {
    const at = lastHour - (hours - 1 - index) * hourMs
    const counts = new Map<Severity, number>()
    for (const bucket of buckets) {
      if (Math.floor(Date.parse(bucket.at) / hourMs) * hourMs !== at) continue
      counts.set(bucket.severity, (counts.get(bucket.severity) ?? 0) + bucket.count)
    }
    return { at, counts, total: [...counts.values()].reduce((sum, count) => sum + count, 0) }
  })
  const top = niceCeiling(Math.max(...columns.map((column) => column.total)))
  const total = columns.reduce((sum, column) => sum + column.total, 0)
  const frame = useRef<HTMLElement>(null)
  const width = Math.max(240, useWidth(frame))
  const height = 176
  const left = 32
  const bottom = 20
  const slot = (width - left) / hours
  const scale = (height - bottom - 8) / top
  const labelEvery = Math.ceil(hours / Math.max(2, Math.floor(width / 84)))
  const label = `${plural(total, 'alert')} in the last ${hours} hours`
  return (
    <figure ref={frame} className="min-w-0">
      <svg role="img" aria-label={label} viewBox={`0 0 ${width} ${height}`} className="block w-full">
        {[0, 0.5, 1].map((share) => {
          const y = height - bottom - share * top * scale
          return (
            <g key={share}>
              <path
                d={`M${left} ${y}H${width}`}
                className="stroke-line"
                strokeDasharray={share === 0 ? undefined : '2 4'}
              />
              <text x={left - 8} y={y + 4} textAnchor="end" className="fill-faint text-2xs">
                {Math.round(top * share)}
              </text>
            </g>
          )
        })}
        {columns.map((column, index) => {
          let y = height - bottom
          const x = left + index * slot + 1.5
          return (
            <g key={column.at}>
              <title>{`${clockTime(new Date(column.at).toISOString())} · ${plural(column.total, 'alert')}`}</title>
              <rect
                x={x - 1.5}
                y={8}
                width={slot}
                height={height - bottom - 8}
                fill="transparent"
                className="hover:fill-hover"
              />
              {severities.map((severity) => {
                const count = column.counts.get(severity) ?? 0
                if (count === 0) return null
                const barHeight = Math.max(1.5, count * scale)
                y -= barHeight
                return (
                  <rect
                    key={severity}
                    x={x}
                    y={y}
                    width={Math.max(1, slot - 3)}
                    height={Math.max(1, barHeight - 0.75)}
                    rx="1"
                    className={severityFills[severity]}
                  />
                )
              })}
              {index % labelEvery === 0 && (
                <text x={x} y={height - 5} className="fill-faint text-2xs">
                  {clockTime(new Date(column.at).toISOString())}
                </text>
              )}
            </g>
          )
        })}
      </svg>
      <figcaption className="mt-2 flex flex-wrap gap-x-4 gap-y-1 text-xs text-quiet">
        {severities.map((severity) => (
          <span key={severity} className="inline-flex items-center gap-1.5">
            <svg aria-hidden="true" width="8" height="8" viewBox="0 0 8 8">
              <rect width="8" height="8" rx="2" className={severityFills[severity]} />
            </svg>
            {severityWords[severity]}{' '}
            {columns.reduce((sum, column) => sum + (column.counts.get(severity) ?? 0), 0).toLocaleString('en')}
          </span>
        ))}
      </figcaption>
    </figure>
  )
}

export type ResponseTime = { readonly severity: Severity; readonly minutes: number; readonly withinSla: boolean }

const targetMinutes: Partial<Record<Severity, number>> = { critical: 15, high: 60, medium: 240, low: 1440 }

/** Time to respond per severity on one logarithmic axis: every case a mark, late ones hollow, the target a line. */
export function ResponseTimes({ times }: { times: readonly ResponseTime[] }) {
  const shown = severities.filter((severity) => targetMinutes[severity] !== undefined)
  const frame = useRef<HTMLDivElement>(null)
  const width = Math.max(240, useWidth(frame))
  const left = 72
  const lane = 36
  const height = shown.length * lane + 24
  const x = (minutes: number) =>
    left + (Math.log10(Math.min(4320, Math.max(1, minutes))) / Math.log10(4320)) * (width - left - 12)
  const ticks = [
    [1, '1m'],
    [5, '5m'],
    [15, '15m'],
    [60, '1h'],
    [240, '4h'],
    [1440, '1d'],
    [4320, '3d'],
  ] as const
  return (
    <div ref={frame} className="min-w-0">
      <svg
        role="img"
        aria-label={`Time to first response of ${plural(times.length, 'case')}: ${times.filter((time) => time.withinSla).length} in time`}
        viewBox={`0 0 ${width} ${height}`}
        className="block w-full"
      >
        {ticks.map(([minutes, label]) => (
          <g key={label}>
            <path d={`M${x(minutes)} 0V${height - 20}`} className="stroke-line" />
            <text x={x(minutes)} y={height - 5} textAnchor="middle" className="fill-faint text-2xs">
              {label}
            </text>
          </g>
        ))}
        {shown.map((severity, row) => {
          const middle = row * lane + lane / 2
          const target = targetMinutes[severity] ?? 0
          return (
            <g key={severity}>
              <text x={0} y={middle + 4} className="fill-quiet text-xs">
                {severityWords[severity]}
              </text>
              <path
                d={`M${x(target)} ${middle - 13}V${middle + 13}`}
                className="stroke-ink"
                strokeWidth="2"
                strokeLinecap="round"
              >
                <title>{`Target ${target} minutes`}</title>
              </path>
              {times
                .filter((time) => time.severity === severity)
                .map((time, index) => (
                  <circle
                    // biome-ignore lint/suspicious/noArrayIndexKey: marks have no identity of their own
                    key={index}
                    cx={x(time.minutes)}
                    cy={middle + ((index * 7) % 15) - 7}
                    r="3"
                    className={time.withinSla ? 'fill-accent' : 'fill-surface stroke-danger'}
                    fillOpacity={time.withinSla ? 0.7 : 1}
                    strokeWidth={time.withinSla ? 0 : 1.5}
                  />
                ))}
            </g>
          )
        })}
      </svg>
    </div>
  )
}

function niceCeiling(value: number): number {
  if (value <= 4) return 4
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 4, 5, 10].map((step) => step * power).find((step) => step >= value) ?? value
}
