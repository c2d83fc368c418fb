import { type AnyAttack, actors } from './attack.ts'
import { approvalAttacks } from './attacks/approvals.ts'
import { auditDatabaseAttacks } from './attacks/audit-database.ts'
import { auditFileAttacks } from './attacks/audit-file.ts'
import { browserAttacks } from './attacks/browser.ts'
import { egressAttacks } from './attacks/egress.ts'
import { forgedTokenAttacks } from './attacks/forged-token.ts'
import { ingestionAttacks } from './attacks/ingestion.ts'
import { otherTenantAttacks } from './attacks/other-tenant.ts'
import { outsiderAttacks } from './attacks/outsider.ts'
import { planAttacks } from './attacks/plans.ts'
import { poisonedInputAttacks } from './attacks/poisoned-input.ts'
import { rebindingAttacks } from './attacks/rebinding.ts'
import { reportAttacks } from './attacks/reports.ts'
import { sqlContextAttacks } from './attacks/sql-context.ts'
import { sqlRightsAttacks } from './attacks/sql-rights.ts'
import { sqlTenantAttacks } from './attacks/sql-tenant.ts'
import { stolenTokenAttacks } from './attacks/stolen-token.ts'
import { viewerAttacks } from './attacks/viewer.ts'

/** Every attack, by attacker. */
export const catalogue: readonly AnyAttack[] = [
  ...outsiderAttacks,
  ...forgedTokenAttacks,
  ...stolenTokenAttacks,
  ...otherTenantAttacks,
  ...viewerAttacks,
  ...browserAttacks,
  ...poisonedInputAttacks,
  ...ingestionAttacks,
  ...sqlTenantAttacks,
  ...sqlRightsAttacks,
  ...sqlContextAttacks,
  ...planAttacks,
  ...approvalAttacks,
  ...reportAttacks,
  ...egressAttacks,
  ...rebindingAttacks,
  ...auditFileAttacks,
  ...auditDatabaseAttacks,
].toSorted((one, other) => actors.indexOf(one.actor) - actors.indexOf(other.actor))
