import { type Bytes, equalBytes } from './bytes.ts'
import { type Checkpoint, verifyCheckpoint } from './checkpoint.ts'
import { openVerifierChain, placeInChain, type VerifierChain } from './key-succession.ts'
import { formatVerifierKey, type NoteVerifier, parseNote } from './signed-note.ts'
import { TrustError } from './trust-error.ts'

/** The signed head of a log as the audit operations answer it. Browser-safe. */
export type LogHead = {
  readonly note: string
  /** The vkey of the key that signed the note. */
  readonly verifier: string
  /** The statements that lead to it from the log's first key, oldest first. */
  readonly successions: readonly string[]
}

/** `signer` is the place of its key in the chain. */
export type ChainedCheckpoint = Checkpoint & { readonly root: Bytes; readonly signer: number }

/** A head that holds. */
export type VerifiedHead = {
  readonly checkpoint: Checkpoint & { readonly root: Bytes }
  /** Of the key that signed it; the one to pin from now on. */
  readonly verifier: string
  /** How often the key changed since the trusted one. */
  readonly handovers: number
}

/**
 * The place of the last of the keys that a note has a signature line of; -1 when of none. Nothing has been verified.
 * Throws `note_malformed`.
 */
export function signerAmong(note: string, verifiers: readonly NoteVerifier[]): number {
  const { signatures } = parseNote(note)
  return verifiers.findLastIndex(({ name, keyId }) =>
    signatures.some((signature) => signature.name === name && equalBytes(signature.keyId, keyId)),
  )
}

/**
 * The checkpoint in a note that one of the chain's keys signed; the newest where several did. Throws as
 * {@link verifyCheckpoint}.
 */
export async function verifyChainedCheckpoint(
  note: string,
  { origin, verifiers }: VerifierChain,
): Promise<ChainedCheckpoint> {
  const signer = signerAmong(note, verifiers)
  const verifier = verifiers[signer]
  if (verifier === undefined) throw new TrustError('note_signature', `the note is not signed by ${origin}`)
  return { ...(await verifyCheckpoint(note, verifier, origin)), signer }
}

/**
 * Verifies a head of the log `origin`. `trustedVerifier` is the vkey that the reader pinned, of now or of before a
 * rotation; without it the key is the one that came along, and the parts only agree with each other. Throws `verifier_chain`, `verifier_key`, `succession_malformed`, and as {@link verifyCheckpoint}.
 */
export async function verifyLogHead(
  { note, verifier, successions }: LogHead,
  { origin, trustedVerifier }: { readonly origin: string; readonly trustedVerifier?: string },
): Promise<VerifiedHead> {
  const chain = await openVerifierChain(origin, verifier, successions)
  const trusted = trustedVerifier === undefined ? 0 : placeInChain(chain, trustedVerifier)
  const { signer, ...checkpoint } = await verifyChainedCheckpoint(note, chain)
  // The word of a retired key, perhaps stolen since, against a reader who has its successor already.
  if (signer < trusted)
    throw new TrustError('verifier_chain', 'the head is signed by a key that the trusted one has succeeded')
  return { checkpoint, verifier: verifierAt(chain, signer), handovers: signer - trusted }
}

/** The vkey of one of the chain's keys. */
export function verifierAt({ verifiers }: VerifierChain, place: number): string {
  const verifier = verifiers[place]
  if (verifier === undefined) throw new RangeError(`the chain has no key ${place}`)
  return formatVerifierKey(verifier)
}
