import type { ServiceIdentity, SigningUse } from '../platform/keeper-protocol.ts'
import { checkpointLine, type SigningMaterial } from './checkpoint-line.ts'
import { type KeyLineSpec, macLine, signingLine } from './key-lines.ts'
import { rotationRules } from './rotation-rules.ts'

/* Where the lines of keys lie that the keeper makes and turns for services. */

export const signingLines: Readonly<Record<SigningUse, KeyLineSpec<SigningMaterial>>> = {
  access: signingLine('iam/access-key', rotationRules.access, 'ES256'),
  plan: signingLine('iam/plan-key', rotationRules.plan, 'ES256'),
  checkpoint: checkpointLine('audit/checkpoint-key', rotationRules.checkpoint),
}
export const serviceLine = (service: ServiceIdentity): KeyLineSpec<string> =>
  macLine(`services/${service}/key`, rotationRules.service)
