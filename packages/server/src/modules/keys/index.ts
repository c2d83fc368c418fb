export { keyTasks } from './jobs.ts'
export { keyOperations } from './operations.ts'
export { startKeySweep, sweepKeys } from './sweep.ts'
