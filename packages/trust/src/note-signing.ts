import { type Bytes, decodeBase64Url, utf8 } from './bytes.ts'
import { type Checkpoint, formatCheckpoint } from './checkpoint.ts'
import { formatSuccession, SUCCESSION_NAME } from './key-succession.ts'
import { formatNote, type NoteVerifier, noteVerifier } from './signed-note.ts'
import { createSignature, type SigningKey, type VerifyingKey } from './signing-key.ts'
import { TrustError } from './trust-error.ts'

/** The note verifier of an Ed25519 key under a key name; for a log the name is its origin. Throws `verifier_key`. */
export const noteVerifierOf = async (name: string, key: VerifyingKey): Promise<NoteVerifier> =>
  noteVerifier(name, rawEd25519(key))

/** Signs a note text (it must end with a newline) under a key name. Throws `verifier_key` or `note_malformed`. */
export async function signNote(text: string, name: string, key: SigningKey): Promise<string> {
  const { keyId } = await noteVerifierOf(name, key)
  return formatNote(text, [{ name, keyId, signature: new Uint8Array(createSignature(key, utf8(text))) }])
}

/** The signed note of a checkpoint. The key name is the origin, as tlog-checkpoint recommends. */
export const signCheckpoint = async (checkpoint: Checkpoint, key: SigningKey): Promise<string> =>
  signNote(formatCheckpoint(checkpoint), checkpoint.origin, key)

/**
 * The statement by which a checkpoint key names its successor, signed by both: the last thing the old one signs before
 * it is destroyed. Throws `verifier_key`, or `succession_malformed` when both are the same key.
 */
export async function signSuccession(from: SigningKey, to: SigningKey, at: Date): Promise<string> {
  const text = formatSuccession({ from: rawEd25519(from), to: rawEd25519(to), at })
  const signatures = [from, to].map(async (key) => {
    const { name, keyId } = await noteVerifierOf(SUCCESSION_NAME, key)
    return { name, keyId, signature: new Uint8Array(createSignature(key, utf8(text))) }
  })
  return formatNote(text, await Promise.all(signatures))
}

function rawEd25519(key: VerifyingKey): Bytes {
  if (key.algorithm !== 'Ed25519') throw new TrustError('verifier_key', 'notes are signed with Ed25519 keys')
  return decodeBase64Url(key.jwk.x)
}
