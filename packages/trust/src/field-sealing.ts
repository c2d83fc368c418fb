import { openAesGcm, sealAesGcm } from './aes-gcm.ts'
import type { DataKey } from './data-key.ts'
import { lengthPrefixed } from './length-prefixed.ts'
import { TrustError } from './trust-error.ts'

/*
 * One value of one column under a data key (KEY-2):
 *
 *   format 1 ‖ key version (uint32, big-endian) ‖ nonce of 12 bytes ‖ ciphertext ‖ tag of 16 bytes
 *
 * The associated data names the only place where the value means something: copied to another row, column or tenant, or
 * relabelled with another key version, it does not open. Each part is preceded by its length (`lengthPrefixed`):
 *
 *   "redoubt.field/v1", data class, organization, table, column, row, key version (decimal)
 */

const CONTEXT = 'redoubt.field/v1'
const FORMAT = 1
const HEADER_BYTES = 5
const MAX_VERSION = 0xffffffff

export type FieldPlace = {
  readonly organizationId: string
  readonly table: string
  readonly column: string
  /** The row's key, which must not change while the value lies there. */
  readonly row: string
}

/**
 * Seals text (as UTF-8) or bytes, with 33 bytes more. One use of the key (`UseCounter`). Throws `key_invalid` for a key
 * of another organization, `key_dropped`, and `encoding` for a place that is incomplete or text that is not Unicode.
 */
export function sealField(key: DataKey, place: FieldPlace, plaintext: string | Uint8Array): Buffer {
  // UTF-8 has no lone surrogates: what opens would not be what was sealed.
  if (typeof plaintext === 'string' && !plaintext.isWellFormed())
    throw new TrustError('encoding', `the value for ${place.table}.${place.column} is not Unicode text`)
  return sealAesGcm(key.key.reveal(), headerOf(key), associatedData(key, place), plaintext)
}

/**
 * Opens what {@link sealField} made for the same place, with the version that it names. Throws `sealed_data`,
 * `sealed_key_unknown` when that version is not at hand, `key_invalid` for a key of another organization, `key_dropped`,
 * `encoding`.
 */
export function openField(
  find: (version: number) => DataKey | undefined,
  place: FieldPlace,
  sealed: Uint8Array,
): Buffer {
  const version = fieldKeyVersion(sealed)
  const key = find(version)
  // A finder that answers with the version it likes would make the label of a value mean nothing.
  if (key?.version !== version)
    throw new TrustError('sealed_key_unknown', `no data key of version ${version} for ${place.table}`)
  return openAesGcm(key.key.reveal(), sealed, HEADER_BYTES, associatedData(key, place))
}

/** {@link openField} for text. Throws `encoding` as well when bytes were sealed that are no UTF-8. */
export function openTextField(
  find: (version: number) => DataKey | undefined,
  place: FieldPlace,
  sealed: Uint8Array,
): string {
  const plaintext = openField(find, place, sealed)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(plaintext)
  } catch (cause) {
    throw new TrustError('encoding', `the value of ${place.table}.${place.column} is not text`, { cause })
  }
}

/** The key version that a sealed value names; not proven before it opens. Throws `sealed_data`. */
export function fieldKeyVersion(sealed: Uint8Array): number {
  if (sealed.length < HEADER_BYTES || sealed[0] !== FORMAT)
    throw new TrustError('sealed_data', 'this is not a sealed field of format 1')
  return new DataView(sealed.buffer, sealed.byteOffset, HEADER_BYTES).getUint32(1)
}

function headerOf({ version }: DataKey): Buffer {
  if (!Number.isInteger(version) || version < 1 || version > MAX_VERSION)
    throw new TrustError('key_invalid', 'the version of a data key is from 1 to 4 294 967 295')
  const header = Buffer.allocUnsafe(HEADER_BYTES)
  header[0] = FORMAT
  header.writeUInt32BE(version, 1)
  return header
}

function associatedData(key: DataKey, place: FieldPlace): Buffer {
  // One tenant's value under another tenant's key would outlive the destruction of its own.
  if (key.organizationId !== place.organizationId)
    throw new TrustError('key_invalid', `the data key for ${place.table} is of another organization`)
  const { organizationId, table, column, row } = place
  return lengthPrefixed([CONTEXT, key.dataClass, organizationId, table, column, row, String(key.version)])
}
