/* The browser-safe door: proofs and checkpoints verified with WebCrypto, nothing from Node. */
export { type AuditProof, type AuditProofResult, verifyAuditProof } from './audit-proof.ts'
export { decodeBase64, encodeBase64, utf8 } from './bytes.ts'
export { type Checkpoint, formatCheckpoint, parseCheckpoint, verifyCheckpoint } from './checkpoint.ts'
export { verifyEd25519 } from './ed25519.ts'
export { type LogHead, signerAmong, type VerifiedHead, verifyLogHead } from './log-head.ts'
export {
  type ConsistencyClaim,
  hashLeaf,
  type InclusionClaim,
  verifyConsistency,
  verifyInclusion,
} from './merkle-proof.ts'
export {
  formatVerifierKey,
  type NoteSignature,
  type NoteVerifier,
  noteVerifier,
  openNote,
  parseNote,
  parseVerifierKey,
  type SignedNote,
} from './signed-note.ts'
export { TrustError, type TrustErrorCode } from './trust-error.ts'
