import { randomBytes } from 'node:crypto'
import { Secret } from '@redoubt/trust'
import type { DataKeyScope } from '../platform/keeper-protocol.ts'
import type { KekRing, WrappedKey } from './kek-ring.ts'

/** What a wrapped data key is bound to: organization, class and version cannot be swapped for others. */
export const dataKeyPlace = ({ organizationId, dataClass, version }: DataKeyScope): string =>
  `redoubt.data-key|${organizationId}|${dataClass}|${version}`

/** A new data key of 32 bytes, wrapped under the active KEK, and its plaintext for the caller's memory. */
export function createDataKey(ring: KekRing, scope: DataKeyScope): WrappedKey & { readonly key: Secret<Buffer> } {
  const key = new Secret(randomBytes(32))
  return { ...ring.wrap(key, dataKeyPlace(scope)), key }
}

/** @throws KeeperError `invalid` when it was wrapped for another organization, class or version */
export const openDataKey = (ring: KekRing, scope: DataKeyScope, wrapped: WrappedKey): Secret<Buffer> =>
  ring.unwrap(wrapped, dataKeyPlace(scope))

/** The same key under the active KEK; its plaintext does not leave the keeper. */
export function rewrapDataKey(ring: KekRing, scope: DataKeyScope, wrapped: WrappedKey): WrappedKey {
  const key = openDataKey(ring, scope, wrapped)
  try {
    return ring.wrap(key, dataKeyPlace(scope))
  } finally {
    key.reveal().fill(0)
  }
}
