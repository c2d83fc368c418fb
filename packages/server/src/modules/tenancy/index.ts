export { organizationOperations } from './operations.ts'
export { listOrganizations } from './store.ts'
