import { contract } from '@redoubt/contract'
import type { Access } from '../modules/access/index.ts'
import { alertOperations, sourceOperations } from '../modules/alerts/index.ts'
import { auditOperations } from '../modules/audit/index.ts'
import { alertCaseOperations, caseOperations } from '../modules/cases/index.ts'
import {
  authOperations,
  memberOperations,
  refusalRecorder,
  SessionGuard,
  sessionOperations,
} from '../modules/identity/index.ts'
import { keyOperations } from '../modules/keys/index.ts'
import { playbookOperations, runnerGuard, runnerOperations, runOperations } from '../modules/playbooks/index.ts'
import { secretOperations } from '../modules/secrets/index.ts'
import { organizationOperations } from '../modules/tenancy/index.ts'
import { serviceOperations } from '../modules/workloads/index.ts'
import type { Database } from '../platform/database.ts'
import { type Guards, type Operation, operationsOf } from '../platform/dispatch.ts'
import type { Kernel } from '../platform/kernel.ts'
import type { LiveFeed } from '../platform/live.ts'

/** Every operation with its function, over one service's database; `web` and `api` each have their own. */
export function composeOperations(kernel: Kernel, database: Database, access: Access): readonly Operation[] {
  return operationsOf(contract, {
    auth: authOperations({ kernel, database, permissionsOf: access.permissionsOf }),
    sessions: sessionOperations({ kernel, database }),
    organizations: organizationOperations(),
    members: memberOperations(kernel),
    sources: sourceOperations(kernel),
    alerts: { ...alertOperations(kernel), ...alertCaseOperations() },
    cases: caseOperations(),
    playbooks: playbookOperations(),
    runs: runOperations(),
    runners: runnerOperations(kernel, database),
    audit: auditOperations(kernel),
    keys: keyOperations(kernel),
    secrets: secretOperations(kernel),
    services: serviceOperations(kernel),
  })
}

/** Who is asking, and may they. */
export function composeGuards(kernel: Kernel, database: Database, live: LiveFeed, access: Access): Guards {
  const sessions = new SessionGuard(kernel, database, live)
  return {
    person: (call) => sessions.person(call),
    runner: runnerGuard(kernel, database),
    membership: (person, organizationId) => sessions.membership(person, organizationId),
    decide: access.decide,
    refused: refusalRecorder(kernel, database),
  }
}
