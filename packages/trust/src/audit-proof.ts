import { decodeBase64, equalBytes, utf8 } from './bytes.ts'
import type { Checkpoint } from './checkpoint.ts'
import { type LogHead, verifyLogHead } from './log-head.ts'
import { hashLeaf, verifyInclusion } from './merkle-proof.ts'
import { TrustError } from './trust-error.ts'

/** The proof of one event, as the audit operations answer it, up to a signed head. `leaf` and `proof` are base64. */
export type AuditProof = LogHead & {
  readonly seq: number
  readonly size: number
  readonly body: string
  readonly leaf: string
  readonly proof: readonly string[]
}

export type AuditProofResult =
  | {
      readonly ok: true
      readonly checkpoint: Checkpoint
      /** Of the key that signed; the one to pin from now on. */
      readonly verifier: string
      /** How often the key changed since the trusted one. */
      readonly handovers: number
    }
  | { readonly ok: false; readonly problem: string }

/**
 * Verifies that an event is in the log `origin`: body → leaf hash → root → signed checkpoint. `trustedVerifier` is the
 * vkey pinned by the reader, of now or of before a rotation; without it the key is the one that came with the proof, which then shows only that the
 * parts agree with each other. Runs in a browser; hostile input is a proof that does not hold.
 */
export async function verifyAuditProof(
  claim: AuditProof,
  { origin, trustedVerifier }: { readonly origin: string; readonly trustedVerifier?: string },
): Promise<AuditProofResult> {
  const failed = (problem: string): AuditProofResult => ({ ok: false, problem })
  try {
    const trusted = trustedVerifier === undefined ? {} : { trustedVerifier }
    const { checkpoint, verifier, handovers } = await verifyLogHead(claim, { origin, ...trusted })
    if (checkpoint.size !== claim.size) return failed('The proof is for a log of another size than the checkpoint.')
    const leaf = await hashLeaf(utf8(claim.body))
    if (!equalBytes(leaf, decodeBase64(claim.leaf))) return failed('The event does not hash to its leaf.')
    const body: unknown = JSON.parse(claim.body)
    // A log that sealed two events under one number could prove either of them.
    if (typeof body !== 'object' || body === null || !('seq' in body) || body.seq !== claim.seq)
      return failed('The event does not carry this sequence number.')
    const proof = claim.proof.map(decodeBase64)
    const { size, root } = checkpoint
    if (!(await verifyInclusion({ index: claim.seq, size, leaf, proof, root })))
      return failed('The path from the event does not lead to the signed root.')
    return { ok: true, checkpoint, verifier, handovers }
  } catch (error) {
    if (error instanceof TrustError || error instanceof SyntaxError) return failed(`${error.message}.`)
    throw error
  }
}
