/* The organization's append-only log: events, their places in the tree, proofs, and the export. */
export { mountAuditExport } from './export.ts'
export { inspectLog, type LogState } from './inspection.ts'
export { auditOperations } from './operations.ts'
export { sealOrganization, startSequencer } from './sequencer.ts'
export { isRecorded } from './store.ts'
