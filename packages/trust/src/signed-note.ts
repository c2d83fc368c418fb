import { type Bytes, concatBytes, decodeBase64, encodeBase64, equalBytes, utf8 } from './bytes.ts'
import { verifyEd25519 } from './ed25519.ts'
import { sha256 } from './merkle-proof.ts'
import { TrustError } from './trust-error.ts'

/*
 * C2SP signed-note (https://c2sp.org/signed-note), signature type 0x01 (Ed25519). Browser-safe.
 */

const ED25519_TYPE = 1
const KEY_ID_LENGTH = 4
const MAX_NOTE_LENGTH = 64 * 1024
const MAX_SIGNATURES = 16
const SIGNATURE_LINE = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/u

/** The public half of a note key. `name` is a schema-less address of the signer without white space or `+`. */
export type NoteVerifier = { readonly name: string; readonly keyId: Bytes; readonly publicKey: Bytes }
export type NoteSignature = { readonly name: string; readonly keyId: Bytes; readonly signature: Bytes }
/** `text` ends with a newline; it is what is signed. */
export type SignedNote = { readonly text: string; readonly signatures: readonly NoteSignature[] }

/** The verifier of a raw 32-byte Ed25519 key: key id = SHA-256(name || 0x0A || 0x01 || key)[0:4]. */
export async function noteVerifier(name: string, publicKey: Bytes): Promise<NoteVerifier> {
  if (!isKeyName(name)) throw new TrustError('verifier_key', 'a key name has no white space, no + and is not empty')
  if (publicKey.length !== 32) throw new TrustError('verifier_key', 'an Ed25519 public key has 32 bytes')
  const digest = await sha256(concatBytes(utf8(`${name}\n`), Uint8Array.of(ED25519_TYPE), publicKey))
  return { name, keyId: digest.slice(0, KEY_ID_LENGTH), publicKey }
}

/** The vkey text `<name>+<key id, 8 hex>+<base64(0x01 || public key)>`. */
export const formatVerifierKey = (verifier: NoteVerifier): string => {
  const key = encodeBase64(concatBytes(Uint8Array.of(ED25519_TYPE), verifier.publicKey))
  return `${verifier.name}+${verifier.keyId.toHex()}+${key}`
}

/** Reads a vkey and recomputes its key id. Throws `verifier_key`. */
export async function parseVerifierKey(text: string): Promise<NoteVerifier> {
  const [, name, id, encoded] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/u.exec(text) ?? []
  if (name === undefined || id === undefined || encoded === undefined)
    throw new TrustError('verifier_key', 'a verifier key reads <name>+<8 hex digits>+<base64>')
  const key = decode(encoded, 'verifier_key', 'the key')
  if (key[0] !== ED25519_TYPE) throw new TrustError('verifier_key', 'only Ed25519 (type 1) verifier keys are supported')
  const verifier = await noteVerifier(name, key.slice(1))
  if (verifier.keyId.toHex() !== id) throw new TrustError('verifier_key', 'the key id does not belong to this key')
  return verifier
}

/** Appends signatures to a note text. Throws `note_malformed` when the text is no note text. */
export function formatNote(text: string, signatures: readonly NoteSignature[]): string {
  const lines = signatures.map(
    ({ name, keyId, signature }) => `— ${name} ${encodeBase64(concatBytes(keyId, signature))}\n`,
  )
  const note = `${text}\n${lines.join('')}`
  parseNote(note)
  return note
}

/** Splits a note into its text and signatures without verifying anything. Throws `note_malformed`. */
export function parseNote(note: string): SignedNote {
  const malformed = (what: string) => new TrustError('note_malformed', what)
  if (note.length > MAX_NOTE_LENGTH) throw malformed(`a note has at most ${MAX_NOTE_LENGTH} characters`)
  if (!note.isWellFormed() || hasControlCharacter(note))
    throw malformed('a note is UTF-8 text without control characters')
  // The last blank line divides: the text itself may contain blank lines, the signatures cannot.
  const divide = note.lastIndexOf('\n\n')
  if (divide < 0) throw malformed('a blank line must stand between the text and the signatures')
  const text = note.slice(0, divide + 1)
  const tail = note.slice(divide + 2)
  if (!tail.endsWith('\n')) throw malformed('a note ends with a signature line and a newline')
  const lines = tail.slice(0, -1).split('\n')
  if (lines.length > MAX_SIGNATURES) throw malformed(`a note has at most ${MAX_SIGNATURES} signatures`)
  return { text, signatures: lines.map(parseSignatureLine) }
}

/**
 * The text of a note that carries a valid signature of `verifier`. Signatures of other keys (witnesses) are left
 * aside, as the specification asks. Throws `note_malformed` or `note_signature`.
 */
export async function openNote(note: string, verifier: NoteVerifier): Promise<string> {
  const { text, signatures } = parseNote(note)
  const own = signatures.filter(({ name, keyId }) => name === verifier.name && equalBytes(keyId, verifier.keyId))
  const [signature, second] = own
  if (signature === undefined) throw new TrustError('note_signature', `the note is not signed by ${verifier.name}`)
  // A second signature of the same key has no meaning and would let one note be written in many ways.
  if (second !== undefined) throw new TrustError('note_malformed', `the note is signed twice by ${verifier.name}`)
  if (!(await verifyEd25519(verifier.publicKey, utf8(text), signature.signature)))
    throw new TrustError('note_signature', `the signature of ${verifier.name} does not cover this text`)
  return text
}

function parseSignatureLine(line: string): NoteSignature {
  const [, name, encoded] = SIGNATURE_LINE.exec(line) ?? []
  if (name === undefined || encoded === undefined)
    throw new TrustError('note_malformed', 'a signature line reads — <name> <base64>')
  const bytes = decode(encoded, 'note_malformed', 'a signature')
  if (bytes.length <= KEY_ID_LENGTH) throw new TrustError('note_malformed', 'a signature is empty')
  return { name, keyId: bytes.slice(0, KEY_ID_LENGTH), signature: bytes.slice(KEY_ID_LENGTH) }
}

function decode(text: string, code: 'note_malformed' | 'verifier_key', what: string): Bytes {
  try {
    return decodeBase64(text)
  } catch (cause) {
    throw new TrustError(code, `${what} is not canonical base64`, { cause })
  }
}

const isKeyName = (name: string): boolean =>
  /^[^\s+]+$/u.test(name) && name.isWellFormed() && !hasControlCharacter(name)

/** Anything below U+0020 but the newline. */
const hasControlCharacter = (text: string): boolean => {
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit < 0x20 && unit !== 0x0a) return true
  }
  return false
}
