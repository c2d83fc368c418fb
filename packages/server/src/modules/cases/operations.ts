import type { contract } from '@redoubt/contract'
import type { Handlers } from '../../platform/operation.ts'
import { caseFromAlertOperations } from './operations/alert-operations.ts'
import { caseItself } from './operations/case-operations.ts'
import { mergeOperation } from './operations/merge.ts'
import { observableOperations } from './operations/observable-operations.ts'
import { overviewOperations } from './operations/overview-operations.ts'
import { storyOperations } from './operations/story-operations.ts'
import { taskOperations } from './operations/task-operations.ts'

/** Every operation on cases. */
export function caseOperations(): Handlers<typeof contract.cases> {
  return {
    ...caseItself,
    ...mergeOperation,
    ...storyOperations,
    ...taskOperations,
    ...observableOperations,
    ...overviewOperations,
  }
}

/** The operations of alerts that make or feed a case; they live here because cases know alerts and not the other way round. */
export function alertCaseOperations(): Pick<Handlers<typeof contract.alerts>, 'openCase' | 'addToCase'> {
  return caseFromAlertOperations
}
