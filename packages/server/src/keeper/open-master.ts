import { readFile } from 'node:fs/promises'
import { Secret, type ShareSet, systemTimers } from '@redoubt/trust'
import type { Clock } from '../platform/clock.ts'
import type { Config } from '../platform/config.ts'
import type { VaultConfig } from '../platform/key-config.ts'
import { KeeperError } from './keeper-error.ts'
import {
  createMasterFile,
  type FileMasterKey,
  openPlain,
  openWithPassphrase,
  openWithShares,
  readMasterFile,
} from './master-file.ts'
import type { MasterKey } from './master-key.ts'
import { createPkcs11Key, openPkcs11Master } from './master-pkcs11.ts'
import { openTransitMaster } from './master-vault-transit.ts'
import type { Pkcs11Options } from './pkcs11-token.ts'
import { VaultClient } from './vault-client.ts'
import type { VaultSignIn } from './vault-sign-in.ts'

/** A master key that waits for people (SEC-4). */
export type Seal = {
  readonly means: 'passphrase' | 'shares'
  /** Which shares open it; null for a passphrase. */
  readonly shares: ShareSet | null
  /** @throws KeeperError `master_refuses` that says what is wrong */
  open(
    given: { readonly passphrase: Secret<string> } | { readonly shares: readonly Secret<string>[] },
  ): Promise<FileMasterKey>
}
export type OpenedMaster =
  | { readonly state: 'open'; readonly master: MasterKey }
  | { readonly state: 'sealed'; readonly seal: Seal }

/**
 * The master key of a configuration; made on the first start where it is ours to make.
 * @param isFirst whether nothing has been wrapped yet
 * @throws KeeperError
 */
export async function openMaster(
  config: Pick<Config, 'home' | 'masterKey'>,
  clock: Clock,
  isFirst: boolean,
): Promise<OpenedMaster> {
  const { masterKey, home } = config
  switch (masterKey.kind) {
    case 'file':
      return openFile(home, isFirst)
    case 'pkcs11': {
      const { module, token, key, pinFile } = masterKey
      const options = { module, tokenLabel: token, keyLabel: key, pin: await readLine(pinFile) }
      if (isFirst) await createUnlessThere(options)
      return { state: 'open', master: await openPkcs11Master(options) }
    }
    case 'vault-transit': {
      const vault = await vaultClient(masterKey.vault, 'master', clock)
      return { state: 'open', master: await openTransitMaster(vault, { keyName: masterKey.key }) }
    }
  }
}

/** A signed-in line to the Vault of a configuration. */
export function vaultClient(config: VaultConfig, serves: 'master' | 'store', clock: Clock): Promise<VaultClient> {
  const { address, namespace, caFile, auth } = config
  return VaultClient.open({
    address,
    namespace: namespace ?? undefined,
    caFile: caFile ?? undefined,
    signIn: signInOf(auth),
    serves,
    clock,
    timers: systemTimers,
  })
}

async function openFile(home: string, isFirst: boolean): Promise<OpenedMaster> {
  const file = await readMasterFile(home)
  if (file === null && isFirst)
    return { state: 'open', master: (await createMasterFile(home, { kind: 'plain' })).master }
  if (file === null || file.protection === 'plain') return { state: 'open', master: await openPlain(home) }
  return {
    state: 'sealed',
    seal: {
      means: file.protection,
      shares: file.shares,
      open: (given) =>
        'passphrase' in given ? openWithPassphrase(home, given.passphrase) : openWithShares(home, given.shares),
    },
  }
}

/** A key that is there already has been made by hand, or by a first start that was cut short: it is taken. */
async function createUnlessThere(options: Pkcs11Options): Promise<void> {
  try {
    await createPkcs11Key(options)
  } catch (error) {
    if (!(error instanceof KeeperError) || error.code !== 'invalid') throw error
  }
}

function signInOf(auth: VaultConfig['auth']): VaultSignIn {
  switch (auth.kind) {
    case 'approle':
      return { method: 'approle', roleId: auth.roleId, secretIdFile: auth.secretIdFile }
    case 'kubernetes':
      return { method: 'kubernetes', role: auth.role, jwtFile: auth.jwtFile }
    case 'token-file':
      return { method: 'token-file', tokenFile: auth.tokenFile }
  }
}

async function readLine(path: string): Promise<Secret<string>> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new KeeperError('master_unavailable', `The PIN file ${path} cannot be read (${cause.code}).`, { cause })
  })
  return new Secret(text.trim())
}
