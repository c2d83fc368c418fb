/* Cryptographic building blocks without I/O. What a browser may import stands in `@redoubt/trust/proof`. */
export {
  type AccessClaims,
  type AccessExpectation,
  type AccessGrant,
  signAccessToken,
  verifyAccessToken,
} from './access-token.ts'
export {
  type ArchiveContent,
  type ArchiveEntry,
  type ArchiveLimits,
  defaultArchiveLimits,
  readArchive,
  sealArchive,
} from './archive.ts'
export type { ArchiveKey, BackupKeys } from './archive-chunks.ts'
export {
  ARCHIVE_FORMAT,
  type ArchivedEntry,
  type ArchiveFacts,
  type ArchiveManifest,
} from './archive-manifest.ts'
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
export { blindIndex, deriveIndexKey, type IndexedColumn, normalEmail, normalIp, normalPhone } from './blind-index.ts'
export { canonicalJson, canonicalSha256 } from './canonical-json.ts'
export { type Authority, createAuthority, type IssuedSvid, issueSvid } from './certificate-authority.ts'
export { CertificateHolder, type HeldSvid, type Svid } from './certificate-holder.ts'
export {
  type CertificateState,
  keepRenewed,
  type Renewal,
  type RenewalOptions,
  svidRenewalAt,
  systemTimers,
  type Timers,
} from './certificate-renewal.ts'
export { type CertificateRequest, createCertificateRequest } from './certificate-request.ts'
export { readKeyId } from './compact-jws.ts'
export { contentDigest, verifyContentDigest } from './content-digest.ts'
export { type DataClass, type DataKey, dataClasses } from './data-key.ts'
export { readDer, tag as derTag, writeDer } from './der.ts'
export {
  type EnrolmentToken,
  formatEnrolmentToken,
  type PinnedAuthority,
  parseEnrolmentToken,
  pinnedAuthority,
  rootPin,
} from './enrolment-token.ts'
export { type FieldPlace, fieldKeyVersion, openField, openTextField, sealField } from './field-sealing.ts'
export { type HkdfUse, hkdfSha256 } from './hkdf.ts'
export { CLOCK_AHEAD_MS, DEFAULT_WINDOW_MS, type ServiceKey } from './http-signature.ts'
export {
  acceptedVersions,
  activeVersion,
  isRotationDue,
  type KeyState,
  type KeyVersion,
  keyStateAt,
  type RotationRule,
  rotateLine,
} from './key-line.ts'
export { unwrapKey, wrapKey } from './key-wrap.ts'
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
export {
  type Connector,
  followCertificate,
  internalClientOptions,
  internalConnector,
  internalServerOptions,
  peerIdentity,
  TLS_CIPHERS,
  TLS_GROUPS,
} from './mutual-tls.ts'
export { MemoryNonces, type NonceAnswer, type NonceStore } from './nonce-store.ts'
export { noteVerifierOf, signCheckpoint, signNote, signSuccession } from './note-signing.ts'
export { createOpaqueToken, hashToken, matchesTokenHash, requireOpaqueToken } from './opaque-token.ts'
export { type PlanExpectation, type PlanGrant, signPlan, type VerifiedPlan, verifyPlan } from './plan-token.ts'
export * from './proof.ts'
export { formatRecoveryKey, parseRecoveryKey, RECOVERY_KEY_FORMAT } from './recovery-key.ts'
export {
  type RunnerExpectation,
  type RunnerGrant,
  signRunnerToken,
  type VerifiedRunner,
  verifyRunnerToken,
} from './runner-token.ts'
export { openSealed, seal } from './sealing.ts'
export { Secret } from './secret.ts'
export { SecretBytes } from './secret-bytes.ts'
export {
  type ServiceAnswer,
  type SignedServiceRequest,
  signServiceAnswer,
  verifyServiceAnswer,
} from './service-answer.ts'
export { formatServiceKeyId, parseServiceKeyId, type ServiceKeyId } from './service-key-id.ts'
export {
  createServiceNonce,
  type ServiceKeys,
  type ServiceRequest,
  type ServiceTarget,
  type SignedFields,
  signServiceRequest,
  type VerifiedServiceRequest,
  verifyServiceRequest,
} from './service-request.ts'
export { combineShares, readShare, type Share, type ShareSet, splitIntoShares } from './shamir-shares.ts'
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
export { formatSpiffeId, parseSpiffeId, requireTrustDomain, type SpiffeId } from './spiffe-id.ts'
export {
  type PeerRules,
  readCertificate,
  readRoots,
  type VerifiedSvid,
  verifySvid,
} from './svid.ts'
export {
  type ContextPrincipal,
  type ContextScope,
  NIL_ORGANIZATION,
  sealTenantContext,
  type TenantRole,
} from './tenant-context.ts'
export { hotp, type OneTimeForm, type TotpExpectation, totpStep, verifyTotp } from './totp.ts'
export { needsRotation, UseCounter } from './use-counter.ts'
export { formatWebhookSecret, signWebhook, verifyWebhook, type WebhookHeaders } from './webhook-signature.ts'
