export { organizationOperations } from './operations.ts'
