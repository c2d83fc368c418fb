import type { Bytes } from './bytes.ts'
import { TrustError } from './trust-error.ts'

/* Crockford's base 32 in lower case, most significant bits first, for what people copy from paper. */

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

/** Five bits a character; the last one is filled up with zero bits. */
export function encodeCrockford(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let pending = 0
  for (const byte of bytes) {
    pending = ((pending << 8) | byte) & 0xfff
    bits += 8
    for (; bits >= 5; bits -= 5) text += ALPHABET.charAt((pending >> (bits - 5)) & 31)
  }
  return bits === 0 ? text : text + ALPHABET.charAt((pending << (5 - bits)) & 31)
}

/** What a person meant: O is zero, I and L are one. */
export const normalCrockford = (text: string): string =>
  text.toLowerCase().replaceAll('o', '0').replaceAll(/[il]/g, '1')

/** Exactly `length` bytes in their one spelling. @throws TrustError `encoding` */
export function decodeCrockford(text: string, length: number): Bytes {
  const bytes = new Uint8Array(length)
  let at = 0
  let bits = 0
  let pending = 0
  for (const character of text) {
    const value = ALPHABET.indexOf(character)
    if (value < 0) throw new TrustError('encoding', `${character} is not a character of base 32`)
    pending = ((pending << 5) | value) & 0xfff
    bits += 5
    if (bits >= 8) {
      bits -= 8
      if (at < length) bytes[at] = pending >> bits
      at += 1
    }
  }
  if (at !== length || encodeCrockford(bytes) !== text)
    throw new TrustError('encoding', `not the base 32 of ${length} bytes`)
  return bytes
}
