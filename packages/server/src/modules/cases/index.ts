export { createCorrelation } from './correlate.ts'
export { checkResponse } from './jobs.ts'
export { alertCaseOperations, caseOperations } from './operations.ts'
