export { createAccess, type Access } from './policies.ts'
