import { hash } from 'node:crypto'
import { type Dictionary, parseDictionary } from 'structured-headers'
import { type Bytes, encodeBase64, equalBytes } from './bytes.ts'
import { TrustError } from './trust-error.ts'

/*
 * Content-Digest (RFC 9530 §2): a digest of the body's bytes as they were sent. It proves nothing by itself; a signature
 * that covers the field makes it the body's.
 */

export type DigestAlgorithm = 'sha-256' | 'sha-512'

/** The active algorithms of the registry (RFC 9530 §5) with their lengths in bytes; the deprecated ones are unknown. */
const digestLengths: Readonly<Record<DigestAlgorithm, number>> = { 'sha-256': 32, 'sha-512': 64 }

/** The field's value for a body, the empty one included: `sha-256=:…:`. */
export const contentDigest = (body: Uint8Array, algorithm: DigestAlgorithm = 'sha-256'): string =>
  `${algorithm}=:${digestOf(body, algorithm).toString('base64')}:`

/**
 * Reads a Content-Digest field strictly: known algorithms, each once, full length, no parameters, and only the one
 * canonical spelling. Throws `http_signature_digest`.
 */
export function parseContentDigest(field: string): ReadonlyMap<DigestAlgorithm, Bytes> {
  const digests = new Map<DigestAlgorithm, Bytes>()
  for (const [algorithm, [value]] of members(field)) {
    if (!isDigestAlgorithm(algorithm)) throw refused('names an algorithm other than sha-256 and sha-512')
    if (!(value instanceof ArrayBuffer) || value.byteLength !== digestLengths[algorithm])
      throw refused(`must give ${algorithm} as ${digestLengths[algorithm]} bytes`)
    digests.set(algorithm, new Uint8Array(value))
  }
  if (digests.size === 0) throw refused('is empty')
  // The parser of RFC 9651 keeps the last of two equal keys, and forgives parameters, white space and loose base64: two
  // readers could see two digests in one field.
  const canonical = [...digests].map(([algorithm, digest]) => `${algorithm}=:${encodeBase64(digest)}:`).join(', ')
  if (canonical !== field) throw refused('must be in canonical form, each algorithm once')
  return digests
}

/**
 * Throws `http_signature_digest` unless the field holds the body's digest by this algorithm, and nothing else: which
 * digest counts is the verifier's choice, not the message's.
 */
export function verifyContentDigest(field: string, body: Uint8Array, algorithm: DigestAlgorithm = 'sha-256'): void {
  const digests = parseContentDigest(field)
  const digest = digests.get(algorithm)
  if (digest === undefined || digests.size > 1) throw refused(`must hold ${algorithm} and nothing else`)
  if (!equalBytes(digest, digestOf(body, algorithm))) throw refused(`gives another ${algorithm} than the body has`)
}

const digestOf = (body: Uint8Array, algorithm: DigestAlgorithm): Buffer =>
  hash(algorithm === 'sha-256' ? 'sha256' : 'sha512', body, 'buffer')

const isDigestAlgorithm = (name: string): name is DigestAlgorithm => Object.hasOwn(digestLengths, name)

function members(field: string): Dictionary {
  try {
    return parseDictionary(field)
  } catch (cause) {
    throw refused('is not a dictionary of RFC 9651', { cause })
  }
}

const refused = (what: string, options?: ErrorOptions): TrustError =>
  new TrustError('http_signature_digest', `content-digest ${what}`, options)
