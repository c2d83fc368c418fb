import type { Severity } from './normalized-alert.ts'

/** Severity words and scales, as vendors document them. */

const WORDS: Readonly<Record<Severity, readonly string[]>> = {
  informational: [
    'informational',
    'information',
    'info',
    'inform',
    'notice',
    'debug',
    'trace',
    'verbose',
    'none',
    'ok',
    'normal',
    'clear',
    'cleared',
    'recovery',
    'recovered',
    'audit',
  ],
  low: ['low', 'minor', 'verylow', 'lowest'],
  medium: ['medium', 'moderate', 'warning', 'warn', 'elevated', 'med', 'average', 'degraded', 'suspicious'],
  high: ['high', 'major', 'error', 'err', 'severe', 'important', 'serious', 'malicious'],
  critical: [
    'critical',
    'crit',
    'fatal',
    'emergency',
    'emerg',
    'disaster',
    'blocker',
    'urgent',
    'page',
    'veryhigh',
    'extreme',
    'panic',
    'highest',
    'down',
  ],
}

const BY_WORD: ReadonlyMap<string, Severity> = new Map(
  Object.entries(WORDS).flatMap(([severity, words]) => words.map((word) => [word, severity as Severity] as const)),
)

const RANKED = /^(?:p|sev|severity|s|priority)[\s_-]?([0-5])$/i
const BY_RANK: readonly Severity[] = ['critical', 'critical', 'high', 'medium', 'low', 'informational']

/**
 * The severity a word names: `High`, `WARN`, `SEV_040_HIGH`, `4 - high`, `P2`, `sev1`. Null when it names none.
 * `alert` counts only when it stands alone (the syslog level), not inside a sentence.
 */
export function severityOfWord(value: string): Severity | null {
  const word = value.trim().toLowerCase()
  if (word === '' || word.length > 64) return null
  const exact = BY_WORD.get(word)
  if (exact) return exact
  if (word === 'alert') return 'critical'
  const ranked = RANKED.exec(word)
  if (ranked) return BY_RANK[Number(ranked[1])] ?? null
  for (const part of word.split(/[^a-z]+/)) {
    const found = BY_WORD.get(part)
    if (found) return found
  }
  return null
}

/** 0–10, the bands of CVSS: below 0.1 informational, 4 medium, 7 high, 9 critical. */
export function severityOfTen(score: number): Severity {
  if (score >= 9) return 'critical'
  if (score >= 7) return 'high'
  if (score >= 4) return 'medium'
  return score >= 0.1 ? 'low' : 'informational'
}

/** 0–100: below 1 informational, 40 medium, 70 high, 90 critical. */
export function severityOfHundred(score: number): Severity {
  return severityOfTen(score / 10)
}

/** Syslog levels 0 (emergency) to 7 (debug), RFC 5424 §6.2.1. */
export function severityOfSyslog(level: number): Severity | null {
  const scale: readonly Severity[] = [
    'critical',
    'critical',
    'critical',
    'high',
    'medium',
    'informational',
    'informational',
    'informational',
  ]
  return scale[level] ?? null
}

/** A severity in no declared scale: a word, else a number read as 0–10 or, above ten, 0–100. */
export function severityOfAny(value: unknown): Severity | null {
  if (typeof value === 'number')
    return value < 0 || value > 100 ? null : value > 10 ? severityOfHundred(value) : severityOfTen(value)
  if (typeof value !== 'string') return null
  const text = value.trim()
  return /^\d{1,3}(?:\.\d+)?$/.test(text) ? severityOfAny(Number(text)) : severityOfWord(text)
}
