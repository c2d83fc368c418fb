import { createHmac, timingSafeEqual } from 'node:crypto'

/** HMAC-SHA-256 (RFC 2104), 32 bytes. */
export const hmacSha256 = (key: Uint8Array, message: Uint8Array): Buffer =>
  createHmac('sha256', key).update(message).digest()

/** Whether a full, untruncated HMAC-SHA-256 tag belongs to the message; compared in constant time. */
export const verifyHmacSha256 = (key: Uint8Array, message: Uint8Array, tag: Uint8Array): boolean =>
  equalInConstantTime(hmacSha256(key, message), tag)

/** Compares secrets without telling by its duration where they differ. Only the length is not hidden. */
export const equalInConstantTime = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && timingSafeEqual(a, b)
