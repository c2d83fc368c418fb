import type { Tlp } from '@redoubt/contract'
import type { TenantTx } from '../../platform/tenant-tx.ts'
import type { Work } from '../../platform/work.ts'
import type { Correlate } from '../alerts/index.ts'
import { alertsInWords, draftFrom, openCase, takeAlerts } from './alerts-in-case.ts'
import { type Incident, incidents, longestWindowMs, sharingTypes } from './rules/correlation.ts'
import { type CorrelationRules, readCorrelationRules } from './rules/correlation-rules.ts'
import {
  type AlertRow,
  correlateAlone,
  inboxAlertsNaming,
  type Key,
  keysOfAlerts,
  lockAlerts,
  openCasesNaming,
} from './store/alerts.ts'
import { recountSightings } from './store/observables.ts'

/**
 * Puts alerts whose observables have just been written, in this same transaction, into open cases or new ones, by rules a
 * person can read. Repeating it changes nothing: an alert that is in a case, or dismissed, is not looked at again, so a
 * duplicate that folds into one reopens nothing either. @throws StartError when the rules are not valid
 */
export function createCorrelation(rules: CorrelationRules = readCorrelationRules()): Correlate {
  return async (unit, given) => {
    const alerts = await lockAlerts(unit.tx, idsOf(given))
    await catchUp(unit, alerts)
    const arrived = alerts.filter(isFree)
    if (arrived.length === 0) return
    await correlateAlone(unit.tx)
    const { free, keys, cases } = await around(unit.tx, rules, arrived)
    const keysOf = Map.groupBy(keys, ({ alertId }) => alertId)
    const byId = new Map(free.map((alert) => [alert.id, alert]))
    const decided = incidents(
      rules,
      free.map((alert) => ({ ...alert, keys: keysOf.get(alert.id) ?? [] })),
      cases,
    )
    for (const incident of decided) {
      const members = incident.alertIds.flatMap((id) => byId.get(id) ?? [])
      await place(unit, incident, members)
    }
  }
}

/** What has arrived, the alerts in the inbox it shares a key with, and the open cases that either shares one with. */
async function around(tx: TenantTx, rules: CorrelationRules, arrived: readonly AlertRow[]) {
  const types = sharingTypes(rules)
  const since = new Date(Math.min(...arrived.map(({ seenAt }) => seenAt.getTime())) - longestWindowMs(rules))
  const arrivedKeys = await keysOfAlerts(tx, idsOf(arrived), types)
  const known = new Set(idsOf(arrived))
  const near = await inboxAlertsNaming(tx, telling(rules, arrivedKeys), since, 500)
  // Free ones only: who holds an alert now is deciding about it.
  const waiting = await lockAlerts(
    tx,
    near.filter((id) => !known.has(id)),
    'free',
  )
  const free = [...arrived, ...waiting.filter(isFree)]
  const keys = [...arrivedKeys, ...(await keysOfAlerts(tx, idsOf(waiting), types))]
  return { free, keys, cases: await openCasesNaming(tx, telling(rules, keys), since) }
}

/** Alerts that a person put into a case before their observables were known bring them along now. */
async function catchUp(unit: Work, alerts: readonly AlertRow[]): Promise<void> {
  for (const [caseId, inCase] of Map.groupBy(alerts, (alert) => alert.caseId)) {
    if (caseId !== null) await recountSightings(unit.tx, caseId, idsOf(inCase))
  }
}

/** RED names people, which no rule can do: such an alert waits for somebody. */
function isFree(alert: AlertRow): boolean {
  return alert.caseId === null && (alert.state === 'new' || alert.state === 'acknowledged') && alert.tlp !== 'RED'
}

async function place(unit: Work, { caseId, rule, shared }: Incident, alerts: readonly AlertRow[]): Promise<void> {
  const sharing = shared.length > 0 ? `, sharing ${shared.join(', ').slice(0, 500)}` : ''
  const added = `added ${alertsInWords(alerts.length)} by the rule “${rule}”${sharing}`
  if (caseId !== null) return takeAlerts(unit, caseId, alerts, { text: added })
  const { tlp, ...draft } = draftFrom(alerts)
  const opened = await openCase(unit, {
    ...draft,
    tlp: tlp as Exclude<Tlp, 'RED'>,
    rule,
    text: `opened the case by the rule “${rule}”`,
  })
  await takeAlerts(unit, opened.id, alerts, { text: added })
}

/** Each key once, without the values that mean nothing. */
function telling({ ignore }: CorrelationRules, keys: readonly Key[]): Key[] {
  return [
    ...new Map(keys.filter(({ value }) => !ignore.has(value)).map((key) => [`${key.type} ${key.value}`, key])).values(),
  ]
}

const idsOf = (alerts: readonly { readonly id: string }[]): string[] => alerts.map(({ id }) => id)
