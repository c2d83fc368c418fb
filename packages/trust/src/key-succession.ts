import { type Bytes, decodeBase64, encodeBase64, equalBytes } from './bytes.ts'
import {
  formatVerifierKey,
  type NoteVerifier,
  noteVerifier,
  openNote,
  parseNote,
  parseVerifierKey,
} from './signed-note.ts'
import { TrustError } from './trust-error.ts'

/*
 * How the key that signs checkpoints hands over to its successor (docs/decisions/0015). Browser-safe. A note that both
 * keys sign: the old one says who follows it, the new one that it holds its key and whom it follows.
 *
 *     redoubt.local/audit-key-succession
 *     <the old key, its 32 bytes in base64>
 *     <the new key>
 *     <when, RFC 3339 in UTC>
 *
 *     — redoubt.local/audit-key-succession <signature of the old key>
 *     — redoubt.local/audit-key-succession <signature of the new key>
 *
 * One key signs the logs of all organizations, each log under a name of its own. So the statement names raw keys, and a
 * reader gives them the name of the log whose verifier key was pinned. It is no checkpoint in any reading: its signatures
 * are under a name that no log has, and its second line is no size.
 */

export const SUCCESSION_NAME = 'redoubt.local/audit-key-succession'
/** Two hundred and fifty years of quarterly rotations; more is somebody who wants to keep a verifier busy. */
const MAX_SUCCESSIONS = 1000

/** Raw Ed25519 keys. `at` is what the signers' clock said; nothing is decided by it. */
export type KeySuccession = { readonly from: Bytes; readonly to: Bytes; readonly at: Date }

/** The keys of one log, oldest first, each named by the one before it. */
export type VerifierChain = { readonly origin: string; readonly verifiers: readonly NoteVerifier[] }

/** The note text of a succession, newline included. Throws `succession_malformed`. */
export function formatSuccession({ from, to, at }: KeySuccession): string {
  const text = `${SUCCESSION_NAME}\n${encodeBase64(from)}\n${encodeBase64(to)}\n${at.toISOString()}\n`
  parseSuccession(text)
  return text
}

/**
 * A succession, once both its keys have been found to sign it. Throws `note_malformed`, `note_signature` or
 * `succession_malformed`.
 */
export async function openSuccession(note: string): Promise<KeySuccession> {
  const succession = parseSuccession(parseNote(note).text)
  // The old key's word makes the new one trusted. The new key's word makes the old one's earlier checkpoints count for a
  // reader who knows the new key alone, and keeps anybody from naming a key as successor that is not theirs.
  for (const key of [succession.from, succession.to]) await openNote(note, await noteVerifier(SUCCESSION_NAME, key))
  return succession
}

/**
 * The keys of the log `origin` that lead to `verifier` by the given successions, oldest first. Throws `verifier_key`,
 * `verifier_chain` when they do not lead there in one unbroken line, and as {@link openSuccession}.
 */
export async function openVerifierChain(
  origin: string,
  verifier: string,
  successions: readonly string[],
): Promise<VerifierChain> {
  const newest = await parseVerifierKey(verifier)
  // The genuine key of another organization's log.
  if (newest.name !== origin) throw new TrustError('verifier_chain', `the verifier key is not one of the log ${origin}`)
  if (successions.length > MAX_SUCCESSIONS)
    throw new TrustError('verifier_chain', `a log has at most ${MAX_SUCCESSIONS} successions`)
  const keys: Bytes[] = []
  for (const [at, note] of successions.entries()) {
    const { from, to } = await openSuccession(note)
    const [last] = keys.slice(-1)
    if (last !== undefined && !equalBytes(last, from))
      throw new TrustError('verifier_chain', `succession ${at + 1} does not begin with the key that ${at} ends with`)
    if (last === undefined) keys.push(from)
    // A key that came back could sign behind its successors: which of two checkpoints is the later would be open again.
    if (keys.some((key) => equalBytes(key, to)))
      throw new TrustError('verifier_chain', `succession ${at + 1} brings back a key that was succeeded before`)
    keys.push(to)
  }
  const [end = newest.publicKey] = keys.slice(-1)
  if (!equalBytes(end, newest.publicKey))
    throw new TrustError('verifier_chain', 'the successions do not lead to the verifier key')
  if (keys.length === 0) return { origin, verifiers: [newest] }
  return { origin, verifiers: await Promise.all(keys.map((key) => noteVerifier(origin, key))) }
}

/** The place of a pinned verifier key in the chain. Throws `verifier_chain` when no succession leads from it. */
export function placeInChain({ verifiers }: VerifierChain, pinned: string): number {
  const place = verifiers.findIndex((verifier) => formatVerifierKey(verifier) === pinned.trim())
  if (place < 0)
    throw new TrustError('verifier_chain', 'no succession leads from the trusted key to the one that signs the log')
  return place
}

function parseSuccession(text: string): KeySuccession {
  const malformed = (what: string, cause?: unknown) => new TrustError('succession_malformed', what, { cause })
  const [name, from, to, at, end, ...more] = text.split('\n')
  if (from === undefined || to === undefined || at === undefined || end !== '' || more.length > 0)
    throw malformed('a succession has four lines: its name, two keys, a time')
  if (name !== SUCCESSION_NAME) throw malformed(`the first line of a succession is ${SUCCESSION_NAME}`)
  const when = new Date(at)
  // One moment has one spelling.
  if (Number.isNaN(when.getTime()) || when.toISOString() !== at)
    throw malformed('the time reads 2026-03-01T12:00:00.000Z')
  const keyOf = (encoded: string): Bytes => {
    try {
      const key = decodeBase64(encoded)
      if (key.length === 32) return key
    } catch (cause) {
      throw malformed('a key is not canonical base64', cause)
    }
    throw malformed('an Ed25519 public key has 32 bytes')
  }
  const keys = { from: keyOf(from), to: keyOf(to) }
  if (equalBytes(keys.from, keys.to)) throw malformed('a key does not succeed itself')
  return { ...keys, at: when }
}
