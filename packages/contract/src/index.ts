import { alerts, sources } from './alerts.ts'
import { audit } from './audit.ts'
import { auth, sessions } from './auth.ts'
import { cases } from './cases.ts'
import type { Contract } from './operation.ts'
import { playbooks, runners, runs } from './response.ts'
import { members, organizations } from './tenancy.ts'

/** Every operation of the platform. Transports, reference, SDK and the generated security tests come from this. */
export const contract = {
  auth,
  sessions,
  organizations,
  members,
  sources,
  alerts,
  cases,
  playbooks,
  runs,
  runners,
  audit,
} as const satisfies Contract
export type RedoubtContract = typeof contract

export * from './alerts.ts'
export * from './audit.ts'
export * from './auth.ts'
export * from './cases.ts'
export type { ConsoleProcedures } from './console-router.ts'
export * from './errors.ts'
export * from './fields.ts'
export * from './operation.ts'
export * from './permissions.ts'
export * from './plan.ts'
export * from './plan-template.ts'
export * from './response.ts'
export * from './tenancy.ts'
