import { z } from 'zod'
import { decodeBase64, encodeBase64, utf8 } from './bytes.ts'
import { canonicalJson } from './canonical-json.ts'
import { createSignature, type SigningKey, type VerifyingKey, verifySignature } from './signing-key.ts'
import { TrustError } from './trust-error.ts'

/** Names the format in the file's first line, in the wrapped key's associated data and in the signed manifest. */
export const ARCHIVE_FORMAT = 'redoubt-backup/v1'

/** No entry name leaves its folder: no leading slash, no empty, `.` or `..` part. At most 200 characters. */
export const EntryName = z
  .string()
  .max(200)
  .regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/, 'is words with slashes between')

const Hash = z.string().regex(/^[0-9a-f]{64}$/)
const SqlName = z.string().min(1).max(130)

export const ArchiveManifest = z.strictObject({
  format: z.literal(ARCHIVE_FORMAT),
  archiveId: z.uuid(),
  createdAt: z.iso.datetime(),
  /** Version of the product that wrote it. */
  product: z.string().min(1).max(60),
  /** The schema the rows fit, in the order the migrations were applied. */
  migrations: z.array(z.strictObject({ name: z.string().min(1).max(200), sha256: Hash })).max(10_000),
  /** Number of the job queue's newest migration. */
  queueMigration: z.int().nonnegative(),
  /** Columns of each table's rows, in the order of the entries. */
  tables: z.array(z.strictObject({ entry: EntryName, name: SqlName, columns: z.array(SqlName).min(1) })).max(10_000),
  sequences: z.array(z.strictObject({ name: SqlName, value: z.string().regex(/^-?\d+$/), called: z.boolean() })),
  entries: z.array(
    z.strictObject({
      name: EntryName,
      bytes: z.int().nonnegative(),
      /** Null for what is no table. */
      rows: z.int().nonnegative().nullable(),
      sha256: Hash,
    }),
  ),
})
export type ArchiveManifest = z.output<typeof ArchiveManifest>
export type ArchivedEntry = ArchiveManifest['entries'][number]
/** What the writer knows before the first row is read. */
export type ArchiveFacts = Pick<ArchiveManifest, 'product' | 'migrations' | 'queueMigration' | 'tables' | 'sequences'>

const Signed = z.strictObject({ manifest: z.unknown(), kid: z.string().max(200), signature: z.string().max(100) })

/** The manifest with an Ed25519 signature (RFC 8032) over its RFC 8785 form, as JSON. Throws `key_invalid`. */
export function signManifest(manifest: ArchiveManifest, signer: SigningKey): string {
  if (signer.algorithm !== 'Ed25519') throw new TrustError('key_invalid', 'a manifest is signed with an Ed25519 key')
  const signature = encodeBase64(createSignature(signer, utf8(canonicalJson(manifest))))
  return canonicalJson({ manifest, kid: signer.kid, signature })
}

/** The manifest of {@link signManifest}, once its signature holds. Throws `archive_manifest`. */
export function openManifest(text: string, verifier: VerifyingKey): ArchiveManifest {
  const refuse = (why: string, cause?: unknown): never => {
    throw new TrustError('archive_manifest', `the archive's manifest ${why}`, { cause })
  }
  let signed: z.output<typeof Signed>
  let covered: boolean
  try {
    signed = Signed.parse(JSON.parse(text))
    covered =
      verifier.algorithm === 'Ed25519' &&
      signed.kid === verifier.kid &&
      verifySignature(verifier, utf8(canonicalJson(signed.manifest)), decodeBase64(signed.signature))
  } catch (cause) {
    return refuse('cannot be read', cause)
  }
  if (!covered) return refuse('is not signed by the key that signs backups of this installation')
  const manifest = ArchiveManifest.safeParse(signed.manifest)
  if (!manifest.success)
    return refuse(`is not one this version knows: ${z.prettifyError(manifest.error).replaceAll('\n', ' ')}`)
  return manifest.data
}
