import { workflowTasks } from '../modules/playbooks/index.ts'
import type { Database } from '../platform/database.ts'
import { startJobs } from '../platform/jobs.ts'
import type { Kernel, Stop } from '../platform/kernel.ts'
import type { ServiceLogin } from '../platform/prepare-database.ts'

/** Signs plans, pushes them to runners and looks after what was pushed (SVC-1). Opens no port. */
export function startWorkflowProcessor(kernel: Kernel, database: Database, login: ServiceLogin): Promise<Stop> {
  return startJobs(kernel, login, workflowTasks(kernel, database))
}
