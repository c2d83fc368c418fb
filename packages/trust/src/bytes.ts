import { TrustError } from './trust-error.ts'

/** Bytes that WebCrypto accepts: backed by memory nobody else can change while it is being hashed. */
export type Bytes = Uint8Array<ArrayBuffer>

export const utf8 = (text: string): Bytes => new TextEncoder().encode(text)

export function concatBytes(...parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

/** Compares public values (hashes, key ids). Not constant in time: never for a MAC or a secret. */
export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, at) => byte === b[at])

/**
 * RFC 4648 §4, strict: padded, no white space, unused bits zero. One value has one text, so that a signed text cannot
 * be re-spelled. Throws `encoding`.
 */
export function decodeBase64(text: string): Bytes {
  return decodeStrictly(text, 'base64')
}

/** RFC 4648 §5 as RFC 7515 uses it: no padding, no white space, unused bits zero. Throws `encoding`. */
export function decodeBase64Url(text: string): Bytes {
  return decodeStrictly(text, 'base64url')
}

export const encodeBase64 = (bytes: Uint8Array): string => bytes.toBase64()
export const encodeBase64Url = (bytes: Uint8Array): string =>
  bytes.toBase64({ alphabet: 'base64url', omitPadding: true })

function decodeStrictly(text: string, alphabet: 'base64' | 'base64url'): Bytes {
  let bytes: Bytes
  try {
    bytes = Uint8Array.fromBase64(text, { alphabet })
  } catch (cause) {
    throw new TrustError('encoding', `not ${alphabet}`, { cause })
  }
  // The built-in decoder skips white space and tolerates loose ends; comparing with the one right spelling does not.
  if ((alphabet === 'base64' ? encodeBase64(bytes) : encodeBase64Url(bytes)) !== text)
    throw new TrustError('encoding', `not canonical ${alphabet}`)
  return bytes
}
