/* Playbooks, their runs, and the runners that execute them from signed plans. */
export { workflowTasks } from './jobs.ts'
export { inviteLocalRunner } from './local-runner.ts'
export { playbookOperations } from './operations.ts'
export { runnerGuard } from './runners/guard.ts'
export { runnerOperations } from './runners/operations.ts'
export { listRunners } from './runners/store.ts'
export { runOperations } from './runs/operations.ts'
