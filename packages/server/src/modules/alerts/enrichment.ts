import type { AdapterType, AlertState, OrganizationId, Severity, Tlp } from '@redoubt/contract'
import type { Database } from '../../platform/database.ts'
import type { TaskHandler } from '../../platform/jobs.ts'
import type { Kernel } from '../../platform/kernel.ts'
import { severityOf } from '../../platform/severity.ts'
import { type Work, work } from '../../platform/work.ts'
import { parsePayload } from './adapters/json.ts'
import { normalize } from './adapters/normalize.ts'
import type { OcsfFinding } from './adapters/normalized-alert.ts'
import { techniquesIn } from './attack/techniques.ts'
import { holdUnenriched, insertObservables, markEnriched, type UnenrichedRow } from './enrichment-store.ts'
import { extractObservables } from './observables/extract.ts'
import type { Observable } from './observables/observable.ts'
import { tellingEntities } from './rules.ts'

/** An alert with what it names, as correlation looks at it. */
export type EnrichedAlert = {
  readonly id: string
  readonly sourceId: string
  readonly sourceType: AdapterType
  readonly title: string
  readonly severity: Severity
  readonly tlp: Tlp
  readonly state: AlertState
  readonly caseId: string | null
  readonly firstSeenAt: Date
  readonly lastSeenAt: Date
  readonly occurredAt: Date | null
  readonly finding: OcsfFinding
  readonly techniques: readonly string[]
  readonly observables: readonly Observable[]
}

/** Puts alerts into cases, in the transaction that has just enriched them; handed in at the composition. */
export type Correlate = (unit: Work, alerts: readonly EnrichedAlert[]) => Promise<void>

const ALERTS_A_TRANSACTION = 100

/**
 * The task that reads alerts: observables, ATT&CK techniques, the few entities that tell them apart; then correlation.
 * An alert is enriched once however often the task runs: what is done is marked in the transaction that does it.
 */
export function enrichAlerts(kernel: Kernel, database: Database, correlate: Correlate): TaskHandler<'alerts.enrich'> {
  const actor = { kind: 'service', id: 'worker', name: 'worker' } as const
  return async ({ organizationId, alertIds }) => {
    for (let from = 0; from < alertIds.length; from += ALERTS_A_TRANSACTION) {
      const ids = alertIds.slice(from, from + ALERTS_A_TRANSACTION)
      await work(
        database,
        { organizationId: organizationId as OrganizationId, actor, clock: kernel.clock, requestId: null },
        async (unit) => {
          const alerts = []
          for (const row of await holdUnenriched(unit.tx, ids)) {
            alerts.push(enriched(row))
            await turn()
          }
          if (alerts.length === 0) return
          await insertObservables(unit.tx, alerts)
          await markEnriched(
            unit.tx,
            alerts.map(({ id, techniques, observables }) => ({
              id,
              techniques,
              entities: tellingEntities(observables),
            })),
            unit.now,
          )
          unit.live('alerts')
          await correlate(unit, alerts)
        },
      )
    }
  }
}

function enriched(row: UnenrichedRow): EnrichedAlert {
  const payload = payloadOf(row)
  const observables = extractObservables(payload, row.finding)
  const techniques = [...new Set([...row.techniques, ...techniquesIn(payload)])].sort()
  return { ...row, severity: severityOf(row.severity), techniques, observables }
}

/** What to search. A group's payload names what all its alerts are about, so of a group the finding alone is searched. */
function payloadOf({ sourceType, raw, firstSeenAt, finding }: UnenrichedRow): unknown {
  const payload = parsePayload(raw)
  return normalize(sourceType, payload, { receivedAt: firstSeenAt }).length > 1 ? finding : payload
}

/** Extraction is pure computation; between two alerts whoever else waits on this process has a turn. */
const turn = () => new Promise<void>((next) => setImmediate(next))
