import { type AnyAttack, actors } from './attack.ts'
import { approvalAttacks } from './attacks/approvals.ts'
import { auditDatabaseAttacks } from './attacks/audit-database.ts'
import { auditFileAttacks } from './attacks/audit-file.ts'
import { browserAttacks } from './attacks/browser.ts'
import { egressAttacks } from './attacks/egress.ts'
import { forgedTokenAttacks } from './attacks/forged-token.ts'
import { impostorAttacks } from './attacks/impostor-keeper.ts'
import { ingestionAttacks } from './attacks/ingestion.ts'
import { installationAttacks } from './attacks/installation.ts'
import { internalCertificateAttacks } from './attacks/internal-certificates.ts'
import { internalRequestAttacks } from './attacks/internal-requests.ts'
import { machineAttacks } from './attacks/machine.ts'
import { otherTenantAttacks } from './attacks/other-tenant.ts'
import { outsiderAttacks } from './attacks/outsider.ts'
import { planAttacks } from './attacks/plans.ts'
import { poisonedInputAttacks } from './attacks/poisoned-input.ts'
import { rebindingAttacks } from './attacks/rebinding.ts'
import { reportAttacks } from './attacks/reports.ts'
import { runnerChannelAttacks } from './attacks/runner-channel.ts'
import { runnerEnrolmentAttacks } from './attacks/runner-enrolment.ts'
import { sqlContextAttacks } from './attacks/sql-context.ts'
import { sqlKeysAttacks } from './attacks/sql-keys.ts'
import { sqlRightsAttacks } from './attacks/sql-rights.ts'
import { sqlTenantAttacks } from './attacks/sql-tenant.ts'
import { stolenBackupAttacks } from './attacks/stolen-backup.ts'
import { stolenDumpAttacks } from './attacks/stolen-dump.ts'
import { stolenHomeAttacks } from './attacks/stolen-home.ts'
import { stolenTokenAttacks } from './attacks/stolen-token.ts'
import { takenOverServiceAttacks } from './attacks/taken-over-service.ts'
import { viewerAttacks } from './attacks/viewer.ts'

/** Every attack, by attacker. */
export const catalogue: readonly AnyAttack[] = [
  ...outsiderAttacks,
  ...forgedTokenAttacks,
  ...stolenTokenAttacks,
  ...otherTenantAttacks,
  ...installationAttacks,
  ...viewerAttacks,
  ...browserAttacks,
  ...poisonedInputAttacks,
  ...ingestionAttacks,
  ...sqlTenantAttacks,
  ...sqlRightsAttacks,
  ...sqlContextAttacks,
  ...sqlKeysAttacks,
  ...takenOverServiceAttacks,
  ...internalCertificateAttacks,
  ...internalRequestAttacks,
  ...impostorAttacks,
  ...stolenDumpAttacks,
  ...stolenHomeAttacks,
  ...stolenBackupAttacks,
  ...machineAttacks,
  ...planAttacks,
  ...approvalAttacks,
  ...reportAttacks,
  ...runnerChannelAttacks,
  ...runnerEnrolmentAttacks,
  ...egressAttacks,
  ...rebindingAttacks,
  ...auditFileAttacks,
  ...auditDatabaseAttacks,
].toSorted((one, other) => actors.indexOf(one.actor) - actors.indexOf(other.actor))
