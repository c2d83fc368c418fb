export { serviceOperations } from './operations.ts'
