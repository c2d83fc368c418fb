import { randomBytes } from 'node:crypto'
import {
  type ArchiveKey,
  type BackupKeys,
  exportSigningKey,
  formatRecoveryKey,
  generateSigningKey,
  importSigningKey,
  Secret,
} from '@redoubt/trust'
import { z } from 'zod'
import type { Clock } from '../platform/clock.ts'
import { SigningMaterial } from './checkpoint-line.ts'
import { ensure } from './database-secrets.ts'
import { KeeperError } from './keeper-error.ts'
import { writeNewPrivateFile } from './private-file.ts'
import type { SecretStore } from './secret-store.ts'

const Version = z.strictObject({ id: z.string(), key: z.base64().length(44), signer: SigningMaterial })
/** The newest last: it makes archives, the others open older ones. */
const Versions = z.array(Version).min(1)
const keysPath = 'backup/key'
/** Tells when the recovery file was last written, and for which key. */
const recoveryPath = 'backup/recovery'

/**
 * The keys of this installation's archives, apart from all data keys (OPS-3), made before the first one.
 * @returns what makes archives, and all that open them, the newest first
 * @throws KeeperError `store_damaged`
 */
export async function backupKeys(
  store: SecretStore,
): Promise<{ readonly newest: BackupKeys; readonly all: readonly ArchiveKey[] }> {
  const text = await ensure(store, keysPath, () => JSON.stringify([newVersion()]))
  const all = read(text).map(({ id, key, signer }): BackupKeys => {
    const opened = importSigningKey(signer)
    return { id, key: new Secret(Buffer.from(key, 'base64')), signer: opened, verifier: opened }
  })
  all.reverse()
  return { newest: all[0] as BackupKeys, all }
}

/** A new key makes archives from now on; its recovery file is another one. */
export async function rotateBackupKey(store: SecretStore): Promise<void> {
  await backupKeys(store)
  const stored = await store.read(keysPath)
  if (!stored) return
  await store.write(keysPath, new Secret(JSON.stringify([...read(stored.value), newVersion()])), stored.version)
}

function newVersion(): z.input<typeof Version> {
  const signer = generateSigningKey('Ed25519')
  const key = randomBytes(32).toString('base64')
  return { id: `backup-${signer.kid.slice(0, 12)}`, key, signer: exportSigningKey(signer) }
}

function read(text: Secret<string>): z.output<typeof Versions> {
  try {
    return Versions.parse(JSON.parse(text.reveal()))
  } catch {
    // The cause would quote the value.
    throw new KeeperError('store_damaged', 'The backup key cannot be read: restore the secret store from a backup.')
  }
}

/**
 * Writes the recovery file: who has it and an archive can read everything, who has neither it nor this installation
 * nothing. @throws KeeperError `invalid` when there is a file already
 */
export async function writeRecoveryFile(store: SecretStore, path: string, clock: Clock): Promise<{ keyId: string }> {
  const { newest: keys } = await backupKeys(store)
  await writeNewPrivateFile(path, formatRecoveryKey(keys))
  const seen = (await store.read(recoveryPath))?.version ?? 0
  await store.write(recoveryPath, new Secret(`${keys.id} ${clock.now().toISOString()}`), seen)
  return { keyId: keys.id }
}
