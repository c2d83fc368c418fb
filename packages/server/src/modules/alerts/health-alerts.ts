import { hash, randomUUIDv7 } from 'node:crypto'
import type { Severity } from '@redoubt/contract'
import { severityRank } from '../../platform/severity.ts'
import type { Work } from '../../platform/work.ts'
import { normalize } from './adapters/normalize.ts'
import { healthSource, lockSubject, openHealthAlert } from './health-store.ts'
import { foldAlerts } from './ingestion/store.ts'
import { triage } from './rules.ts'
import { moveAlerts } from './store.ts'

/** Something about the platform itself that its operator has to know (ALM-1). */
export type HealthAlert = {
  /** What it is about, such as `keeper-outage`. While an alert about it is open, the same again is counted in it. */
  readonly subject: string
  readonly severity: Severity
  readonly title: string
  readonly description: string
  /** What is kept with it, as an event that a source sent; ids, numbers and words of the platform. */
  readonly facts: Readonly<Record<string, string | number>>
}

/**
 * Opens an alert in the organization of this unit, the operator's, with the response time of its severity (ALERT-2), or
 * counts it in the open one. @returns whether it was opened
 */
export async function raiseHealthAlert(unit: Work, alert: HealthAlert): Promise<boolean> {
  const { tx, now } = unit
  const { subject, severity, title, description, facts } = alert
  await lockSubject(tx, subject)
  const source = await healthSource(tx, now)
  const open = await openHealthAlert(tx, source.id, subject)
  const payload = { title, description, severity, ...facts }
  const [normal] = normalize('generic', payload, { receivedAt: now })
  if (!normal) throw new Error('a health alert has no finding')
  const row = {
    // One that was dismissed stays so: the next time is another alert.
    dedupKey: open?.dedupKey.toString('latin1') ?? hash('sha256', `${subject}|${randomUUIDv7()}`, 'latin1'),
    ...{ title, description, severity: severityRank(severity), count: 1, occurredAt: now, sourceRef: subject },
    ...{ finding: normal.finding, telemetry: false, raw: JSON.stringify(payload), latestRaw: null, techniques: [] },
  }
  const created = await foldAlerts(tx, source, [row], now)
  if (created.length > 0) await unit.enqueue('alerts.enrich', { alertIds: created })
  unit.live('alerts')
  unit.live('system.health')
  return created.length > 0
}

/**
 * Dismisses the open alert about a subject, when what it told of is over. One that is in a case stays: its case decides.
 * @returns whether there was one
 */
export async function settleHealthAlert(unit: Work, subject: string, because: string): Promise<boolean> {
  const { tx, now } = unit
  await lockSubject(tx, subject)
  unit.live('system.health')
  const open = await openHealthAlert(tx, (await healthSource(tx, now)).id, subject)
  if (!open) return false
  await moveAlerts(tx, [open.id], triage.dismiss, { now, reason: because })
  unit.live('alerts')
  return true
}
