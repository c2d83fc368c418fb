import type { Bytes } from './bytes.ts'

/**
 * Whether an Ed25519 signature (RFC 8032, 64 bytes) by the raw 32-byte public key covers the message. Runs in a
 * browser. A malformed key or signature is a signature that does not hold.
 */
export async function verifyEd25519(publicKey: Bytes, message: Bytes, signature: Bytes): Promise<boolean> {
  const { subtle } = globalThis.crypto
  try {
    const key = await subtle.importKey('raw', publicKey, 'Ed25519', false, ['verify'])
    return await subtle.verify('Ed25519', key, signature, message)
  } catch {
    return false
  }
}
