import { alerts, sources } from './alerts.ts'
import { audit } from './audit.ts'
import { auth, sessions } from './auth.ts'
import { cases } from './cases.ts'
import { keys } from './keys.ts'
import type { Contract } from './operation.ts'
import { playbooks, runs } from './response.ts'
import { runners } from './runners.ts'
import { secrets } from './secrets.ts'
import { services } from './services.ts'
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
  keys,
  secrets,
  services,
} as const satisfies Contract
export type RedoubtContract = typeof contract
