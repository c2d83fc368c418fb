import { z } from 'zod'
import type { ArchiveKey } from './archive-chunks.ts'
import { decodeBase64, encodeBase64 } from './bytes.ts'
import { canonicalSha256 } from './canonical-json.ts'
import { Secret } from './secret.ts'
import { importVerifyingKey } from './signing-key.ts'
import { TrustError } from './trust-error.ts'

/*
 * What must be kept apart from an installation, so that its archives can be opened when it is lost whole. The file opens
 * every archive sealed under its key: it belongs offline, and never beside the archives.
 */

export const RECOVERY_KEY_FORMAT = 'redoubt.recovery-key/v1'
const READ_ME =
  'Opens the backups of this installation. Keep it offline and apart from them: who has both can read everything.'

const RecoveryFile = z.strictObject({
  format: z.literal(RECOVERY_KEY_FORMAT),
  readMe: z.string(),
  keyId: z
    .string()
    .max(100)
    .regex(/^[A-Za-z0-9._-]+$/),
  key: z.string(),
  verifier: z.looseObject({}),
  /** SHA-256 of the RFC 8785 form of all the other members: finds a slip in copying, and adds no security. */
  checksum: z.string(),
})

/** The text of a recovery file, to be written with mode 0600. It holds the key in the clear. */
export function formatRecoveryKey(backup: ArchiveKey): string {
  const content = {
    format: RECOVERY_KEY_FORMAT,
    readMe: READ_ME,
    keyId: backup.id,
    key: encodeBase64(backup.key.reveal()),
    verifier: backup.verifier.jwk,
  }
  return `${JSON.stringify({ ...content, checksum: canonicalSha256(content) }, null, 2)}\n`
}

/** Reads {@link formatRecoveryKey}. Throws `recovery_key` with what is wrong; the message never quotes the file. */
export function parseRecoveryKey(text: string): ArchiveKey {
  const refuse = (why: string): never => {
    // Without the cause: a parser's error quotes the text, which is the key.
    throw new TrustError('recovery_key', `this is not a usable recovery file: ${why}`)
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return refuse('it is not JSON; copy it again in full')
  }
  const file = RecoveryFile.safeParse(json)
  if (!file.success)
    return refuse(
      `${file.error.issues.map((issue) => issue.path.join('.') || 'its form').join(', ')} is missing or wrong`,
    )
  const { checksum, ...content } = file.data
  if (checksum !== canonicalSha256(content)) return refuse('its checksum does not fit; copy it again in full')
  try {
    const key = Buffer.from(decodeBase64(content.key))
    if (key.length !== 32) return refuse('its key has not 32 bytes')
    return { id: content.keyId, key: new Secret(key), verifier: importVerifyingKey(content.verifier) }
  } catch {
    return refuse('one of its keys is no key')
  }
}
