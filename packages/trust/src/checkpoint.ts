import { type Bytes, decodeBase64, encodeBase64 } from './bytes.ts'
import { HASH_LENGTH } from './merkle-proof.ts'
import { type NoteVerifier, openNote } from './signed-note.ts'
import { TrustError } from './trust-error.ts'

/*
 * C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint): the signed head of a log. Browser-safe.
 */

/** `root` is the RFC 6962 root of the first `size` leaves of the log named `origin`. */
export type Checkpoint = { readonly origin: string; readonly size: number; readonly root: Uint8Array }

/** The note text of a checkpoint, newline included. Throws `checkpoint_malformed`. */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  const text = `${origin}\n${size}\n${encodeBase64(root)}\n`
  parseCheckpoint(text)
  return text
}

/**
 * Reads the note text of a checkpoint: origin, size, root, each on its line and nothing else. The specification allows
 * extension lines; this log signs none, so one that appears is refused. Throws `checkpoint_malformed`.
 */
export function parseCheckpoint(text: string): Checkpoint & { readonly root: Bytes } {
  const malformed = (what: string, cause?: unknown) => new TrustError('checkpoint_malformed', what, { cause })
  const [origin, digits, encoded, end, ...more] = text.split('\n')
  if (origin === undefined || digits === undefined || encoded === undefined || end !== '' || more.length > 0)
    throw malformed('a checkpoint has three lines: origin, size, root')
  if (origin === '') throw malformed('the origin is empty')
  // Leading zeros would give one size several signed spellings.
  if (!/^(0|[1-9][0-9]{0,15})$/.test(digits) || !Number.isSafeInteger(Number(digits)))
    throw malformed('the size must be a decimal number below 2^53 without leading zeros')
  let root: Bytes
  try {
    root = decodeBase64(encoded)
  } catch (cause) {
    throw malformed('the root is not canonical base64', cause)
  }
  if (root.length !== HASH_LENGTH) throw malformed('the root has 32 bytes')
  return { origin, size: Number(digits), root }
}

/**
 * The checkpoint inside a note signed by `verifier` for the log `origin`. Throws `note_malformed`, `note_signature`,
 * `checkpoint_malformed`, or `checkpoint_origin` when it is the head of another log.
 */
export async function verifyCheckpoint(
  note: string,
  verifier: NoteVerifier,
  origin: string,
): Promise<Checkpoint & { readonly root: Bytes }> {
  const checkpoint = parseCheckpoint(await openNote(note, verifier))
  if (checkpoint.origin !== origin)
    throw new TrustError('checkpoint_origin', `the checkpoint belongs to ${checkpoint.origin}, not to ${origin}`)
  return checkpoint
}
