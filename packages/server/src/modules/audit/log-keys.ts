import {
  formatVerifierKey,
  type NoteVerifier,
  noteVerifierOf,
  signerAmong,
  TrustError,
  type VerifyingKey,
} from '@redoubt/trust'
import type { SigningKeys } from '../../platform/signing-keys.ts'
import { logOrigin } from './rules.ts'

/** The checkpoint keys of the installation, oldest first, each with the statement by which the one before named it. */
export type LogKeys = readonly { readonly verifying: VerifyingKey; readonly succession: string | null }[]

/** The verifiers of an organization's log, oldest first. */
export const logVerifiers = (organizationId: string, keys: LogKeys): Promise<NoteVerifier[]> =>
  Promise.all(keys.map(({ verifying }) => noteVerifierOf(logOrigin(organizationId), verifying)))

/** The place of the newest key that a note has a signature line of; -1 when of none, and for what is no note. */
export function signerOf(note: string, verifiers: readonly NoteVerifier[]): number {
  try {
    return signerAmong(note, verifiers)
  } catch (error) {
    if (error instanceof TrustError) return -1
    throw error
  }
}

/**
 * A note with the verifier key of the key that signed it, and the statements that lead there from the log's first key. To
 * a note of no key, and where there is none yet, belongs the newest: whoever verifies it finds what is wrong.
 */
export async function headOf<N extends string | null>(
  organizationId: string,
  note: N,
  keys: SigningKeys,
): Promise<{ note: N; verifier: string; successions: string[] }> {
  let known = keys.history()
  let verifiers = await logVerifiers(organizationId, known)
  let signer = note === null ? -1 : signerOf(note, verifiers)
  if (note !== null && signer < 0) {
    // Signed after a rotation that this service has not been told of yet.
    await keys.lookAgain()
    known = keys.history()
    verifiers = await logVerifiers(organizationId, known)
    signer = signerOf(note, verifiers)
  }
  const until = signer < 0 ? known.length - 1 : signer
  return {
    note,
    verifier: formatVerifierKey(verifiers[until] as NoteVerifier),
    successions: known.slice(1, until + 1).flatMap(({ succession }) => succession ?? []),
  }
}
