export { type Access, createAccess } from './policies.ts'
