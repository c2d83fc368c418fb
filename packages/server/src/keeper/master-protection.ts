import { createHash, hkdfSync, randomBytes } from 'node:crypto'
import { hashRaw } from '@node-rs/argon2'
import {
  combineShares,
  readShare,
  type Secret,
  type ShareSet,
  splitIntoShares,
  TrustError,
  unwrapKey,
  wrapKey,
} from '@redoubt/trust'
import { z } from 'zod'
import { KeeperError } from './keeper-error.ts'

/* The ways in which the master file keeps its key of 32 bytes: as it is, under a passphrase, or not at all. */

/** What the operator chooses. */
export type Protection =
  | { readonly kind: 'plain' }
  | { readonly kind: 'passphrase'; readonly passphrase: Secret<string> }
  | { readonly kind: 'shares'; readonly threshold: number; readonly count: number }

const key32 = z.base64().length(44)
// Below, a stolen file is guessed too fast (RFC 9106 §4); above, a damaged one would take all memory.
const Argon2 = z.strictObject({
  memoryKib: z.int().min(65_536).max(4_194_304),
  passes: z.int().min(3).max(64),
  lanes: z.int().min(1).max(64),
})
const argon2: z.output<typeof Argon2> = { memoryKib: 65_536, passes: 3, lanes: 4 }
const SHORTEST_PASSPHRASE = 12

export const ProtectionRecord = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('plain'), key: key32 }),
  z.strictObject({
    kind: z.literal('passphrase'),
    salt: key32,
    ...Argon2.shape,
    /** AES key wrap (RFC 3394) under the derived key, whose integrity check also tells a wrong passphrase. */
    wrapped: z.base64().length(56),
  }),
  z.strictObject({
    kind: z.literal('shares'),
    set: z.string(),
    threshold: z.int().min(2),
    count: z.int(),
    verifier: z.base64url().length(43),
  }),
])
export type ProtectionRecord = z.output<typeof ProtectionRecord>

/**
 * Protects a key. The shares are there only when asked for, and nowhere else afterwards.
 * @throws KeeperError `invalid` for a short passphrase or impossible numbers
 */
export async function protect(
  key: Uint8Array,
  protection: Protection,
): Promise<{ readonly record: ProtectionRecord; readonly shares: readonly Secret<string>[] }> {
  switch (protection.kind) {
    case 'plain':
      return { record: { kind: 'plain', key: Buffer.from(key).toString('base64') }, shares: [] }
    case 'passphrase': {
      requirePassphrase(protection.passphrase)
      const salt = randomBytes(32)
      const derived = await derive(protection.passphrase, salt, argon2)
      const wrapped = Buffer.from(wrapKey(derived, key)).toString('base64')
      derived.fill(0)
      return { record: { kind: 'passphrase', salt: salt.toString('base64'), ...argon2, wrapped }, shares: [] }
    }
    case 'shares': {
      const { set, shares } = await splitIntoShares(key, protection).catch(asInvalid)
      const { id, ...rest } = set
      return { record: { kind: 'shares', set: id, ...rest }, shares }
    }
  }
}

/** @throws KeeperError `master_refuses` when the passphrase is wrong */
export async function openByPassphrase(
  record: Extract<ProtectionRecord, { kind: 'passphrase' }>,
  passphrase: Secret<string>,
): Promise<Buffer> {
  const derived = await derive(passphrase, Buffer.from(record.salt, 'base64'), record)
  try {
    return ownBuffer(unwrapKey(derived, Buffer.from(record.wrapped, 'base64')))
  } catch (cause) {
    if (!(cause instanceof TrustError)) throw cause
    throw new KeeperError('master_refuses', 'The passphrase is wrong, or keys/master.json was altered.', { cause })
  } finally {
    derived.fill(0)
  }
}

/** @throws KeeperError `master_refuses` that says which share is wrong and how */
export async function openByShares(
  record: Extract<ProtectionRecord, { kind: 'shares' }>,
  shares: readonly Secret<string>[],
): Promise<Buffer> {
  try {
    return await combineShares(shareSetOf(record), shares.map(readNumbered))
  } catch (cause) {
    if (!(cause instanceof TrustError)) throw cause
    throw new KeeperError('master_refuses', `Not unsealed: ${cause.message}.`, { cause })
  }
}

/** What a share is checked against as it is typed. */
export function shareSetOf(record: Extract<ProtectionRecord, { kind: 'shares' }>): ShareSet {
  const { set, threshold, count, verifier } = record
  return { id: set, threshold, count, verifier }
}

/** Names the key: a hash bound to this use, that tells nothing about 32 random bytes. */
export function fingerprintOf(key: Uint8Array): string {
  const derived = Buffer.from(hkdfSync('sha256', key, '', 'redoubt/master/id', 32))
  return createHash('sha256').update(derived).digest('hex').slice(0, 32)
}

/** The same memory as a Buffer, so that zeroing it leaves no copy. */
export const ownBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

function readNumbered(share: Secret<string>, at: number) {
  try {
    return readShare(share.reveal())
  } catch (cause) {
    if (!(cause instanceof TrustError)) throw cause
    throw new TrustError(cause.code, `share number ${at + 1} as entered: ${cause.message}`, { cause })
  }
}

function requirePassphrase(passphrase: Secret<string>): void {
  if ([...normal(passphrase)].length < SHORTEST_PASSPHRASE)
    throw new KeeperError(
      'invalid',
      `Use at least ${SHORTEST_PASSPHRASE} characters for the passphrase; five or six unrelated words do well.`,
    )
}

// Keyboards spell the same letter in different code points (SP 800-63B-4 §3.1.1.2).
const normal = (passphrase: Secret<string>) => passphrase.reveal().normalize('NFKC')

// `algorithm: 2` is Argon2id; the library's enum is const and cannot be imported under type stripping.
const derive = (passphrase: Secret<string>, salt: Buffer, { memoryKib, passes, lanes }: z.output<typeof Argon2>) =>
  hashRaw(normal(passphrase), {
    algorithm: 2,
    memoryCost: memoryKib,
    timeCost: passes,
    parallelism: lanes,
    outputLen: 32,
    salt,
  })

function asInvalid(cause: unknown): never {
  if (cause instanceof TrustError) throw new KeeperError('invalid', `${cause.message}.`, { cause })
  throw cause
}
