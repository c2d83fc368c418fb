import { displayText, displayWidth, shorten } from '../display-text.ts'
import { bold } from '../table.ts'
import type { Drill, Result } from './engine.ts'
import { partWords } from './terrain.ts'

export type Layout = { readonly width: number; readonly color: boolean }

const green = (text: string): string => `\u001b[32m${text}\u001b[39m`
const red = (text: string): string => `\u001b[31m${text}\u001b[39m`
const requirementWidth = 8

/**
 * The lines of one attack: what was tried, what stopped it, which requirement that is; under an attacker's name where a
 * new one begins. One that was not stopped says what the attacker got.
 */
export function linesOf(result: Result, before: string | null, { width, color }: Layout): string[] {
  const heading = result.actor === before ? [] : ['', color ? bold(result.actor) : result.actor]
  const room = width - requirementWidth - 6
  const half = Math.floor(room / 2)
  const mark = result.stopped ? '✓' : '✗'
  const painted = !color ? mark : result.stopped ? green(mark) : red(mark)
  const outcome = result.stopped ? (result.stoppedBy ?? '') : result.outcome.toUpperCase()
  const first = `${painted} ${cell(result.title, half)}  ${cell(outcome, room - half)}  ${result.requirement}`
  if (result.stopped) return [...heading, first]
  const more = [
    result.evidence === null ? null : `what happened: ${result.evidence}`,
    result.stoppedBy === null ? null : `refused with: ${result.stoppedBy}`,
    `control: ${result.control}`,
    `id: ${result.id}`,
  ]
  return [...heading, first, ...more.filter((line) => line !== null).map((line) => `    ${displayText(line)}`)]
}

/** What was left out and why, and the closing line. */
export function closingLines({ results, leftOut }: Drill): string[] {
  const reasons = Map.groupBy(leftOut, ({ needs }) => needs.map((part) => partWords[part]).join(', '))
  const missing = [...reasons].map(([why, attacks]) => `  ${String(attacks.length).padStart(3)} for want of ${why}`)
  const left = leftOut.length === 0 ? [] : ['', `Left out, ${leftOut.length}:`, ...missing]
  return [...left, '', `${results.length} attacks, ${results.filter(({ stopped }) => stopped).length} stopped`]
}

/** One line of JSON. */
export const jsonOf = ({ results, leftOut }: Drill): string =>
  JSON.stringify({
    attacks: results.length,
    stopped: results.filter(({ stopped }) => stopped).length,
    results,
    leftOut: leftOut.map(({ id, needs }) => ({ id, needs })),
  })

/** 0 when every attack was stopped, and there was one. */
export const exitCodeOf = ({ results }: Drill): 0 | 1 =>
  results.length > 0 && results.every(({ stopped }) => stopped) ? 0 : 1

function cell(text: string, width: number): string {
  const short = shorten(displayText(text), width)
  return short + ' '.repeat(Math.max(0, width - displayWidth(short)))
}
