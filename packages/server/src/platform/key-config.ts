import { resolve } from 'node:path'
import { z } from 'zod'
import { absent, type Complain, httpsAddress, need, path, superfluous } from './setting.ts'

/** Where the top of the key hierarchy is (KEY-1). */
export type MasterKeyConfig =
  | { readonly kind: 'file' }
  | {
      readonly kind: 'pkcs11'
      /** The token's library. */
      readonly module: string
      /** Labels of the token and of the key in it. */
      readonly token: string
      readonly key: string
      readonly pinFile: string
    }
  | { readonly kind: 'vault-transit'; readonly key: string; readonly vault: VaultConfig }

/** Where secrets lie (SEC-1). */
export type SecretStoreConfig =
  | { readonly kind: 'embedded' }
  /** KV v2: secrets are at `mount/prefix/…`. */
  | { readonly kind: 'vault'; readonly mount: string; readonly prefix: string; readonly vault: VaultConfig }

/** A HashiCorp Vault or OpenBao, and how to sign in there. */
export type VaultConfig = {
  /** Without a trailing slash. */
  readonly address: string
  readonly namespace: string | null
  /** Certificates to trust instead of the well-known ones. */
  readonly caFile: string | null
  readonly auth:
    | { readonly kind: 'approle'; readonly roleId: string; readonly secretIdFile: string }
    | { readonly kind: 'kubernetes'; readonly role: string; readonly jwtFile: string }
    | { readonly kind: 'token-file'; readonly tokenFile: string }
}

const label = z.string().min(1).max(200)
const segment = z
  .string()
  .regex(/^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/, 'must be letters, digits, - and _, in parts with /')

export const keySettings = {
  REDOUBT_MASTER_KEY: z.enum(['file', 'pkcs11', 'vault-transit']).default('file'),
  REDOUBT_PKCS11_MODULE: path.optional(),
  REDOUBT_PKCS11_TOKEN: label.optional(),
  REDOUBT_PKCS11_KEY: label.optional(),
  REDOUBT_PKCS11_PIN_FILE: path.optional(),
  REDOUBT_SECRET_STORE: z.enum(['embedded', 'vault']).default('embedded'),
  REDOUBT_VAULT_ADDR: httpsAddress.optional(),
  VAULT_ADDR: httpsAddress.optional(),
  REDOUBT_VAULT_NAMESPACE: segment.optional(),
  REDOUBT_VAULT_MOUNT: segment.optional(),
  REDOUBT_VAULT_PREFIX: segment.optional(),
  REDOUBT_VAULT_TRANSIT_KEY: segment.optional(),
  REDOUBT_VAULT_CA_FILE: path.optional(),
  REDOUBT_VAULT_AUTH: z.enum(['approle', 'kubernetes', 'token-file']).optional(),
  REDOUBT_VAULT_ROLE_ID: label.optional(),
  REDOUBT_VAULT_SECRET_ID_FILE: path.optional(),
  REDOUBT_VAULT_ROLE: label.optional(),
  REDOUBT_VAULT_JWT_FILE: path.optional(),
  REDOUBT_VAULT_TOKEN_FILE: path.optional(),
}
type Settings = z.output<z.ZodObject<typeof keySettings>>

const pkcs11 = [
  'REDOUBT_PKCS11_MODULE',
  'REDOUBT_PKCS11_TOKEN',
  'REDOUBT_PKCS11_KEY',
  'REDOUBT_PKCS11_PIN_FILE',
] as const
const kv = ['REDOUBT_VAULT_MOUNT', 'REDOUBT_VAULT_PREFIX'] as const
const anyVault = [
  'REDOUBT_VAULT_ADDR',
  'REDOUBT_VAULT_NAMESPACE',
  'REDOUBT_VAULT_CA_FILE',
  'REDOUBT_VAULT_AUTH',
] as const
const signIns = {
  approle: ['REDOUBT_VAULT_ROLE_ID', 'REDOUBT_VAULT_SECRET_ID_FILE'],
  kubernetes: ['REDOUBT_VAULT_ROLE', 'REDOUBT_VAULT_JWT_FILE'],
  'token-file': ['REDOUBT_VAULT_TOKEN_FILE'],
} as const
/** Where Kubernetes puts a pod's own. */
const podToken = '/var/run/secrets/kubernetes.io/serviceaccount/token'

/** Master key and secret store out of their settings; says what does not go together. */
export function keyConfigOf(
  env: Settings,
  complain: Complain,
): { readonly masterKey: MasterKeyConfig; readonly secretStore: SecretStoreConfig } {
  const { REDOUBT_MASTER_KEY: master, REDOUBT_SECRET_STORE: store } = env
  const viaVault = master === 'vault-transit' || store === 'vault'
  if (master !== 'pkcs11') superfluous(env, pkcs11, 'REDOUBT_MASTER_KEY=pkcs11', complain)
  if (master !== 'vault-transit')
    superfluous(env, ['REDOUBT_VAULT_TRANSIT_KEY'], 'REDOUBT_MASTER_KEY=vault-transit', complain)
  if (store !== 'vault') superfluous(env, kv, 'REDOUBT_SECRET_STORE=vault', complain)
  if (!viaVault) {
    const names = [...anyVault, ...Object.values(signIns).flat()]
    superfluous(env, names, 'REDOUBT_SECRET_STORE=vault or REDOUBT_MASTER_KEY=vault-transit', complain)
  }
  const vault = viaVault ? vaultOf(env, complain) : null
  return { masterKey: masterKeyOf(env, vault, complain), secretStore: secretStoreOf(env, vault) }
}

function masterKeyOf(env: Settings, vault: VaultConfig | null, complain: Complain): MasterKeyConfig {
  if (env.REDOUBT_MASTER_KEY === 'vault-transit' && vault)
    return { kind: 'vault-transit', key: env.REDOUBT_VAULT_TRANSIT_KEY ?? 'redoubt', vault }
  if (env.REDOUBT_MASTER_KEY !== 'pkcs11') return { kind: 'file' }
  need(env, pkcs11, 'REDOUBT_MASTER_KEY=pkcs11', complain)
  return {
    kind: 'pkcs11',
    module: resolve(env.REDOUBT_PKCS11_MODULE ?? absent),
    token: env.REDOUBT_PKCS11_TOKEN ?? absent,
    key: env.REDOUBT_PKCS11_KEY ?? absent,
    pinFile: resolve(env.REDOUBT_PKCS11_PIN_FILE ?? absent),
  }
}

function secretStoreOf(env: Settings, vault: VaultConfig | null): SecretStoreConfig {
  if (env.REDOUBT_SECRET_STORE !== 'vault' || !vault) return { kind: 'embedded' }
  return {
    kind: 'vault',
    mount: env.REDOUBT_VAULT_MOUNT ?? 'secret',
    prefix: env.REDOUBT_VAULT_PREFIX ?? 'redoubt',
    vault,
  }
}

function vaultOf(env: Settings, complain: Complain): VaultConfig {
  const user = env.REDOUBT_SECRET_STORE === 'vault' ? 'REDOUBT_SECRET_STORE=vault' : 'REDOUBT_MASTER_KEY=vault-transit'
  const address = env.REDOUBT_VAULT_ADDR ?? env.VAULT_ADDR
  if (address === undefined) complain(`${user} needs REDOUBT_VAULT_ADDR, such as https://vault.example.com:8200`)
  if (env.REDOUBT_VAULT_AUTH === undefined)
    complain(`${user} needs REDOUBT_VAULT_AUTH: approle, kubernetes or token-file`)
  for (const [kind, names] of Object.entries(signIns))
    if (env.REDOUBT_VAULT_AUTH !== undefined && kind !== env.REDOUBT_VAULT_AUTH)
      superfluous(env, names, `REDOUBT_VAULT_AUTH=${kind}`, complain)
  return {
    address: (address ?? absent).replace(/\/+$/, ''),
    namespace: env.REDOUBT_VAULT_NAMESPACE ?? null,
    caFile: env.REDOUBT_VAULT_CA_FILE === undefined ? null : resolve(env.REDOUBT_VAULT_CA_FILE),
    auth: vaultAuthOf(env, complain),
  }
}

function vaultAuthOf(env: Settings, complain: Complain): VaultConfig['auth'] {
  if (env.REDOUBT_VAULT_AUTH === 'approle') {
    need(env, signIns.approle, 'REDOUBT_VAULT_AUTH=approle', complain)
    return {
      kind: 'approle',
      roleId: env.REDOUBT_VAULT_ROLE_ID ?? absent,
      secretIdFile: resolve(env.REDOUBT_VAULT_SECRET_ID_FILE ?? absent),
    }
  }
  if (env.REDOUBT_VAULT_AUTH === 'kubernetes') {
    need(env, ['REDOUBT_VAULT_ROLE'], 'REDOUBT_VAULT_AUTH=kubernetes', complain)
    return {
      kind: 'kubernetes',
      role: env.REDOUBT_VAULT_ROLE ?? absent,
      jwtFile: resolve(env.REDOUBT_VAULT_JWT_FILE ?? podToken),
    }
  }
  if (env.REDOUBT_VAULT_AUTH === 'token-file')
    need(env, signIns['token-file'], 'REDOUBT_VAULT_AUTH=token-file', complain)
  return { kind: 'token-file', tokenFile: resolve(env.REDOUBT_VAULT_TOKEN_FILE ?? absent) }
}
