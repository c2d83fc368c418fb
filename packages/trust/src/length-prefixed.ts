import { TrustError } from './trust-error.ts'

/**
 * Texts as bytes that no other texts have: for each its length in UTF-16 code units, a colon, and itself, all in UTF-8.
 * Joined by a separator, `a|b` and `c` would be `a` and `b|c`. Throws `encoding` for an empty text or a lone surrogate.
 */
export function lengthPrefixed(texts: readonly string[]): Buffer {
  let joined = ''
  for (const text of texts) {
    // A part that somebody forgot would be the same for all rows.
    if (text === '') throw new TrustError('encoding', 'a part is empty')
    joined += `${text.length}:${text}`
  }
  // UTF-8 has no lone surrogates: every one of them would become U+FFFD, and two texts the same bytes.
  if (!joined.isWellFormed()) throw new TrustError('encoding', 'a part is not Unicode text')
  return Buffer.from(joined)
}
