import type { Database } from '../../platform/database.ts'
import type { TaskHandler } from '../../platform/jobs.ts'
import type { Kernel } from '../../platform/kernel.ts'
import { severityOf } from '../../platform/severity.ts'
import { work } from '../../platform/work.ts'
import { scheduleResponseCheck } from './alerts-in-case.ts'
import { responseState } from './rules/response-clock.ts'
import { lockTakingCase } from './store/alerts.ts'
import { touchCase } from './store/cases.ts'
import { trace } from './trace.ts'

const actor = { kind: 'service', id: 'worker', name: 'worker' } as const

/** The task `cases.check-response`: notes a response time that nobody kept. Safe to repeat, a breach is noted once. */
export function checkResponse(kernel: Kernel, database: Database): TaskHandler<'cases.check-response'> {
  return ({ organizationId, caseId }) =>
    work(database, { organizationId, actor, clock: kernel.clock, requestId: null }, async (unit) => {
      const found = await lockTakingCase(unit.tx, caseId)
      if (!found) return
      const state = responseState(found, unit.now)
      if (state === 'early') await scheduleResponseCheck(unit, caseId, found.dueAt)
      if (state !== 'breached') return
      await touchCase(unit.tx, caseId, { breached_at: unit.now }, unit.now)
      const facts = { severity: severityOf(found.severity), dueAt: found.dueAt?.toISOString() ?? null }
      await trace(
        unit,
        caseId,
        {
          kind: 'sla-breached',
          text: `noted that nobody responded in time: a ${facts.severity} case was due by ${facts.dueAt}`,
          facts,
        },
        { action: 'case.response-breached', facts },
      )
    })
}
