/* Cryptographic building blocks without I/O. What a browser may import stands in `@redoubt/trust/proof`. */
export {
  type AccessClaims,
  type AccessExpectation,
  type AccessGrant,
  signAccessToken,
  verifyAccessToken,
} from './access-token.ts'
export { type AuditFileProblem, type AuditFileResult, verifyAuditFile } from './audit-file.ts'
export {
  AUDIT_FORMAT,
  type AuditBody,
  AuditFileHeader,
  AuditFileLine,
  auditFileLines,
  type SealedEvent,
  sealAuditEvent,
} from './audit-log.ts'
export { canonicalJson, canonicalSha256 } from './canonical-json.ts'
export { readKeyId } from './compact-jws.ts'
export { equalInConstantTime, hmacSha256, verifyHmacSha256 } from './mac.ts'
export {
  append,
  consistencyProof,
  emptyRoot,
  Frontier,
  frontierOf,
  inclusionProof,
  leafHash,
  type NodeStore,
  rootOf,
  type TreeNode,
} from './merkle.ts'
export { noteVerifierOf, signCheckpoint, signNote } from './note-signing.ts'
export { createOpaqueToken, hashToken, matchesTokenHash, requireOpaqueToken } from './opaque-token.ts'
export { type PlanExpectation, type PlanGrant, signPlan, type VerifiedPlan, verifyPlan } from './plan-token.ts'
export * from './proof.ts'
export {
  type RunnerExpectation,
  type RunnerGrant,
  signRunnerToken,
  type VerifiedRunner,
  verifyRunnerToken,
} from './runner-token.ts'
export { openSealed, seal } from './sealing.ts'
export { Secret } from './secret.ts'
export {
  createSignature,
  exportSigningKey,
  generateSigningKey,
  importJwks,
  importSigningKey,
  importVerifyingKey,
  type Jwks,
  Keyring,
  type KeySet,
  type PrivateJwk,
  type PublicJwk,
  type SigningAlgorithm,
  type SigningKey,
  thumbprint,
  type VerifyingKey,
  verifySignature,
} from './signing-key.ts'
export {
  type ContextPrincipal,
  type ContextScope,
  NIL_ORGANIZATION,
  sealTenantContext,
  type TenantRole,
} from './tenant-context.ts'
export { formatWebhookSecret, signWebhook, verifyWebhook, type WebhookHeaders } from './webhook-signature.ts'
