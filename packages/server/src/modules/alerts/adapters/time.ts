/** Times as vendors write them. Everything becomes UTC; a time without a zone is taken as UTC. */

const EARLIEST = Date.UTC(1990, 0, 1)
const LATEST = Date.UTC(2100, 0, 1)
/** Windows FILETIME counts 100 ns steps from 1601-01-01. */
const FILETIME_EPOCH_MS = -11_644_473_600_000

function plausible(ms: number): Date | null {
  return ms >= EARLIEST && ms < LATEST ? new Date(ms) : null
}

/** Seconds, milliseconds, microseconds, nanoseconds since 1970 or a Windows FILETIME, told apart by magnitude. */
function fromEpoch(value: number): Date | null {
  if (value < 1e8) return null
  if (value < 1e11) return plausible(Math.round(value * 1000))
  if (value < 1e14) return plausible(Math.trunc(value))
  if (value < 1e17) return plausible(Math.trunc(value / 1e3))
  if (value < 1e18) return plausible(Math.trunc(value / 1e4) + FILETIME_EPOCH_MS)
  return plausible(Math.trunc(value / 1e6))
}

const MONTHS = 'janfebmaraprmayjunjulaugsepoctnovdec'

function monthOf(name: string): number {
  const index = MONTHS.indexOf(name.slice(0, 3).toLowerCase())
  return index >= 0 && index % 3 === 0 ? index / 3 : -1
}

function zoneMinutes(zone: string | undefined): number {
  if (zone === undefined || !/^[+-]/.test(zone)) return 0
  const digits = zone.replace(/\D/g, '')
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2, 4) || 0)
  return zone.startsWith('-') ? -minutes : minutes
}

type Clock = { year: number; month: number; day: number; time: string | undefined; zone?: string | undefined }

const TIME = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?:\s*([AaPp])[Mm])?/

function fromClock({ year, month, day, time, zone }: Clock): Date | null {
  if (month < 0 || month > 11 || day < 1 || day > 31) return null
  const parts = time === undefined ? null : TIME.exec(time)
  if (time !== undefined && !parts) return null
  let hours = Number(parts?.[1] ?? 0)
  const half = parts?.[5]?.toLowerCase()
  if (half === 'p' && hours < 12) hours += 12
  if (half === 'a' && hours === 12) hours = 0
  const ms = Number((parts?.[4] ?? '0').padEnd(3, '0').slice(0, 3))
  const minutes = Number(parts?.[2] ?? 0)
  const seconds = Number(parts?.[3] ?? 0)
  if (hours > 24 || minutes > 59 || seconds > 60) return null
  const utc = Date.UTC(year, month, day, hours, minutes, seconds, ms)
  return plausible(utc - zoneMinutes(zone) * 60_000)
}

const CLOCK = '(\\d{1,2}:\\d{2}(?::\\d{2}(?:[.,]\\d{1,9})?)?(?:\\s*[AaPp][Mm])?)'
const ZONE = '(?:\\s*(Z|UTC|GMT|[+-]\\d{2}:?\\d{2}))?'
const YEAR_FIRST = new RegExp(`^(\\d{4})[-/.](\\d{1,2})[-/.](\\d{1,2})(?:[T ,_]+${CLOCK}${ZONE})?`)
const DAY_MONTH = new RegExp(
  `^(?:[A-Za-z]{3,9},?\\s+)?(\\d{1,2})[ /-]([A-Za-z]{3,9})[ /-](\\d{4})(?:[ :T,]+${CLOCK}${ZONE})?`,
)
const MONTH_DAY = new RegExp(
  `^(?:[A-Za-z]{3,9},?\\s+)?([A-Za-z]{3,9})\\.?\\s+(\\d{1,2})(?:,?\\s+(\\d{4}))?(?:,?\\s+${CLOCK}${ZONE}(?:\\s+[A-Z]{2,4})?(?:\\s+(\\d{4}))?)?`,
)
const SLASHES = new RegExp(`^(\\d{1,2})[/.-](\\d{1,2})[/.-](\\d{4})(?:[ ,T]+${CLOCK}${ZONE})?`)
const DATE_CALL = /^\/?Date\((\d{12,14})/
const EPOCH = /^\d{9,19}(?:\.\d{1,9})?$/

function fromText(value: string, receivedAt: Date | undefined): Date | null {
  if (EPOCH.test(value)) return fromEpoch(Number(value))
  const iso = YEAR_FIRST.exec(value)
  if (iso)
    return fromClock({
      year: Number(iso[1]),
      month: Number(iso[2]) - 1,
      day: Number(iso[3]),
      time: iso[4],
      zone: iso[5],
    })
  const call = DATE_CALL.exec(value)
  if (call) return fromEpoch(Number(call[1]))
  const dayMonth = DAY_MONTH.exec(value)
  if (dayMonth) {
    return fromClock({
      year: Number(dayMonth[3]),
      month: monthOf(dayMonth[2] ?? ''),
      day: Number(dayMonth[1]),
      time: dayMonth[4],
      zone: dayMonth[5],
    })
  }
  const monthDay = MONTH_DAY.exec(value)
  if (monthDay) {
    const stated = monthDay[3] ?? monthDay[6]
    const found = { month: monthOf(monthDay[1] ?? ''), day: Number(monthDay[2]), time: monthDay[4], zone: monthDay[5] }
    if (stated !== undefined) return fromClock({ year: +stated, ...found })
    return receivedAt && monthDay[4] !== undefined ? latestBefore(found, receivedAt) : null
  }
  const slashes = SLASHES.exec(value)
  if (slashes) return fromSlashes(slashes)
  return null
}

/** BSD syslog (RFC 3164) has no year: take the last such day that is not in the receiver's future. */
function latestBefore(found: Omit<Clock, 'year'>, receivedAt: Date): Date | null {
  const year = receivedAt.getUTCFullYear()
  const sameYear = fromClock({ year, ...found })
  const dayMs = 86_400_000
  return sameYear && sameYear.getTime() > receivedAt.getTime() + dayMs
    ? fromClock({ year: year - 1, ...found })
    : sameYear
}

/** Month-first and day-first cannot be told apart below 13 unless AM/PM gives the American form away: then no time. */
function fromSlashes(found: RegExpExecArray): Date | null {
  const first = Number(found[1])
  const second = Number(found[2])
  const american = /[ap]m/i.test(found[4] ?? '') || second > 12
  if (!american && first <= 12 && first !== second) return null
  const [month, day] = american ? [first, second] : [second, first]
  return fromClock({ year: Number(found[3]), month: month - 1, day, time: found[4], zone: found[5] })
}

const WITHIN =
  /(?<![\d.])\d{4}[-/]\d\d[-/]\d\d[T ]{1,2}\d\d:\d\d:\d\d(?:\.\d{1,9})?\s?(?:Z|[+-]\d\d:?\d\d)?|\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}/

/** The first full date and time near the start of a log line, such as web servers and CSV exports write. */
export function timeWithin(text: string): Date | null {
  const found = WITHIN.exec(text.slice(0, 256))
  return found ? parseTime(found[0]) : null
}

/**
 * The moment a vendor's time value names, or null when it names none between 1990 and 2100. Reads ISO 8601 and its
 * relatives, RFC 5322, RFC 3164, common log format, epoch numbers in s, ms, µs and ns, and Windows FILETIME.
 * `receivedAt` gives the year to forms that have none.
 */
export function parseTime(value: unknown, receivedAt?: Date): Date | null {
  if (typeof value === 'number') return fromEpoch(value)
  if (typeof value !== 'string' || value.length > 64) return null
  const text = value.trim()
  return text.length < 6 ? null : fromText(text.replace(/^[[("']+/, ''), receivedAt)
}
