import { Secret } from '@redoubt/trust'
import { z } from 'zod'
import { KeeperError } from './keeper-error.ts'
import type { MasterKey } from './master-key.ts'
import type { VaultClient } from './vault-client.ts'
import { requireMount } from './vault-sign-in.ts'
import { errorsOf, refusalOf } from './vault-wire.ts'

/*
 * The master key in the transit engine of Vault or OpenBao: it wraps there and never comes here. After a rotation in Vault
 * the new version wraps and the earlier ones still unwrap, as long as their `min_decryption_version` lets them.
 */

export type TransitOptions = {
  /** By default `transit`. */
  readonly mount?: string | undefined
  readonly keyName: string
}

const KEK_BYTES = 32
const CIPHERTEXT = /^vault:v([1-9]\d{0,8}):[A-Za-z0-9+/=]{1,2000}$/
// KEY-2 and KEY-3: AES-256 or RSA of 2048 bits and more. Transit encrypts with them under AES-GCM and RSA-OAEP.
const keyTypes = ['aes256-gcm96', 'rsa-2048', 'rsa-3072', 'rsa-4096']

const Key = z.object({
  data: z.object({
    type: z.string(),
    derived: z.boolean(),
    exportable: z.boolean(),
    allow_plaintext_backup: z.boolean(),
    latest_version: z.int().positive().optional(),
    keys: z.record(z.string(), z.unknown()),
  }),
})
const Encrypted = z.object({ data: z.object({ ciphertext: z.string().regex(CIPHERTEXT) }) })
const Decrypted = z.object({ data: z.object({ plaintext: z.base64().length(44) }) })

/**
 * Opens the master key of a transit engine. The client is this object's from now on.
 * @throws KeeperError `master_unavailable` when the key is not there, `invalid` when it could leave Vault or is too weak,
 * `not_allowed`
 */
export async function openTransitMaster(
  vault: VaultClient,
  { mount = 'transit', keyName }: TransitOptions,
): Promise<MasterKey> {
  requireMount(mount)
  if (!/^[\w-]{1,100}$/.test(keyName))
    throw new KeeperError('invalid', 'A transit key’s name has letters, digits and hyphens.')
  // First of all: encrypting under a name that does not exist would make a key, if the policy lets us.
  let version = await requireKey(vault, mount, keyName)
  return {
    provider: 'vault-transit',
    get id() {
      return `${mount}/${keyName} v${version}`
    },
    async wrap(kek) {
      if (kek.reveal().length !== KEK_BYTES) throw new KeeperError('invalid', 'A key-encryption key has 32 bytes.')
      const body = { plaintext: kek.reveal().toString('base64') }
      const path = `${mount}/encrypt/${keyName}`
      const answer = await vault.call({ method: 'POST', path, body, repeatable: true })
      const encrypted = answer.status === 200 ? Encrypted.safeParse(answer.body) : null
      if (!encrypted?.success) throw unavailable(`${path}: ${refusalOf(answer)}`)
      const { ciphertext } = encrypted.data.data
      version = Number(CIPHERTEXT.exec(ciphertext)?.[1])
      return Buffer.from(ciphertext, 'utf8')
    },
    async unwrap(wrapped) {
      const ciphertext = Buffer.from(wrapped).toString('utf8')
      if (!CIPHERTEXT.test(ciphertext)) throw refused('it is no transit ciphertext')
      const path = `${mount}/decrypt/${keyName}`
      const answer = await vault.call({ method: 'POST', path, body: { ciphertext }, repeatable: true })
      if (answer.status === 400) throw refused(refusalOf(answer))
      if (answer.status !== 200) throw unavailable(`${path}: ${refusalOf(answer)}`)
      const decrypted = Decrypted.safeParse(answer.body)
      if (!decrypted.success) throw refused('it does not hold a key of 32 bytes')
      return new Secret(Buffer.from(decrypted.data.data.plaintext, 'base64'))
    },
    close: () => vault.close(),
  }
}

/** @returns the latest version */
async function requireKey(vault: VaultClient, mount: string, keyName: string): Promise<number> {
  const path = `${mount}/keys/${keyName}`
  const answer = await vault.call({ method: 'GET', path, repeatable: true })
  if (answer.status === 404 && errorsOf(answer.body).length === 0)
    throw unavailable(`there is no key ${path}: make it with "vault write -f ${path} type=aes256-gcm96"`)
  const key = answer.status === 200 ? Key.safeParse(answer.body) : null
  if (!key?.success) throw unavailable(`${path} is no transit key: ${refusalOf(answer)}`)
  const { type, derived, exportable, allow_plaintext_backup, latest_version, keys } = key.data.data
  if (!keyTypes.includes(type) || derived)
    throw new KeeperError(
      'invalid',
      `${path} has type ${type}${derived ? ', derived' : ''}: use ${keyTypes.join(', ')}.`,
    )
  if (exportable || allow_plaintext_backup)
    throw new KeeperError('invalid', `${path} may leave Vault (exportable or allow_plaintext_backup): use another key.`)
  return latest_version ?? Math.max(...Object.keys(keys).map(Number))
}

const unavailable = (reason: string) => new KeeperError('master_unavailable', `Vault: ${reason}.`)
const refused = (reason: string) =>
  new KeeperError(
    'master_refuses',
    `Vault does not unwrap this key (${reason}): it was altered, or another key wrapped it.`,
  )
