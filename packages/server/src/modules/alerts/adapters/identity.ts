import { hash } from 'node:crypto'
import type { Facts, Reading } from './facts.ts'
import { cleanLine } from './sanitize.ts'

/** What makes two reports the same alert: the vendor's id, or a fingerprint where there is none. */

const MAX_REF = 512

type Slot = keyof Facts

/** What identifies the thing an alert is about. Source ports, process ids and times change on every report. */
const ENTITIES: readonly Slot[] = [
  'hostName',
  'hostId',
  'hostIp',
  'userName',
  'userEmail',
  'srcIp',
  'srcHost',
  'dstIp',
  'dstPort',
  'dstHost',
  'processName',
  'fileName',
  'filePath',
  'sha256',
  'sha1',
  'md5',
  'url',
  'query',
]

/** Hex SHA-256 over what stays the same when the same thing is reported again. */
export function fingerprintOf(reading: Reading, title: string): string {
  const { facts } = reading
  const entities: (string | null)[] = []
  let named = false
  for (const slot of ENTITIES) {
    const value = facts[slot] as string | null | undefined
    named ||= Boolean(value)
    entities.push(value ? value.toLowerCase() : null)
  }
  // Without any entity two different alerts of one title would fold into each other: their content tells them apart.
  const content = named ? null : (reading.content ?? facts.description ?? null)
  return hash(
    'sha256',
    JSON.stringify([reading.adapter, title.toLowerCase(), facts.ruleId ?? null, entities, content]),
    'hex',
  )
}

/** An id too long to keep ends in its digest: cut off, two alerts that differ only at the end would fold into one. */
export function boundedRef(ref: string): string | null {
  const clean = cleanLine(ref, ref.length)
  if (clean.length <= MAX_REF) return clean || null
  return `${clean.slice(0, MAX_REF - 65)}~${hash('sha256', clean, 'hex')}`
}
