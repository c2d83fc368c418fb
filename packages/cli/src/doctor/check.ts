import type { Report } from '../command.ts'
import { displayText } from '../display-text.ts'
import type { Style } from '../table.ts'

/** What the doctor looked at, what it found, and, unless all is well, how to mend it. */
export type Check = {
  readonly id: string
  readonly title: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly found: string
  readonly mend: string | null
}

/** Makes the three outcomes of one check. */
export const check = (id: string, title: string) => ({
  ok: (found: string): Check => ({ id, title, status: 'ok', found, mend: null }),
  warn: (found: string, mend: string): Check => ({ id, title, status: 'warn', found, mend }),
  fail: (found: string, mend: string): Check => ({ id, title, status: 'fail', found, mend }),
})

/** What all checks found; the exit code is 1 when one of them failed. */
export function reportOf(home: string, checks: readonly Check[]): Report {
  const ok = checks.every(({ status }) => status !== 'fail')
  return { json: { ok, home, checks }, text: (style) => shown(checks, style), exitCode: ok ? 0 : 1 }
}

const colors = { ok: 32, warn: 33, fail: 31 } as const

function shown(checks: readonly Check[], { color }: Style): string {
  const width = Math.max(...checks.map(({ title }) => title.length))
  const lines = checks.flatMap(({ title, status, found, mend }) => {
    const word = status.padEnd(4)
    const marked = color ? `\u001b[${colors[status]}m${word}\u001b[39m` : word
    const first = `${marked}  ${title.padEnd(width)}  ${displayText(found)}`
    return mend === null ? [first] : [first, `${' '.repeat(6 + width)}  → ${displayText(mend)}`]
  })
  const count = (status: Check['status']) => checks.filter((each) => each.status === status).length
  return [...lines, '', `${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} to mend`].join('\n')
}
