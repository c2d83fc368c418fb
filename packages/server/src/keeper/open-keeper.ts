import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Secret, systemTimers } from '@redoubt/trust'
import type { Clock } from '../platform/clock.ts'
import type { Config } from '../platform/config.ts'
import { writeDurably } from './durable-file.ts'
import { EmbeddedStore } from './embedded-store.ts'
import { Keeper } from './keeper.ts'
import { KeeperError } from './keeper-error.ts'
import { KekRing, type RingFile } from './kek-ring.ts'
import type { MasterKey } from './master-key.ts'
import { openMaster, type Seal, vaultClient } from './open-master.ts'
import { RememberingStore } from './remembering-store.ts'
import type { SecretStore } from './secret-store.ts'
import { VaultStore } from './vault-store.ts'

export type KeeperConfig = Pick<Config, 'home' | 'trustDomain' | 'masterKey' | 'secretStore'>

/**
 * Opens the keeper of a home, or makes its keys on the first start.
 * @param unseal asked for the master key when it waits for people
 * @param purpose to keep it: what is due is rotated at once; or to look only, which makes and rotates nothing
 * @throws KeeperError
 */
export async function openKeeper(
  config: KeeperConfig,
  clock: Clock,
  unseal: (seal: Seal) => Promise<MasterKey> = refuseSealed,
  purpose: 'keep' | 'look' = 'keep',
): Promise<{ keeper: Keeper; created: boolean }> {
  const { home, secretStore, trustDomain } = config
  const vault = secretStore.kind === 'vault' ? new RememberingStore(await vaultStoreOf(secretStore, clock)) : null
  const ringFile = vault ? inVault(vault) : fileAt(join(home, 'keys', 'keks.json'))
  // Not by the master's file: a first start that was cut short has made it already, and goes on from there.
  const created = (await ringFile.read()) === null
  if (created && purpose === 'look')
    throw new KeeperError('not_found', `There are no keys in ${home}: start the platform once, or set REDOUBT_HOME.`)
  if (created) requireFirstStart(home)
  const opened = await openMaster(config, clock, created)
  const master = opened.state === 'open' ? opened.master : await unseal(opened.seal)
  const ring = await KekRing.open(ringFile, master, clock.now())
  const embedded = fileAt(join(home, 'keys', 'secrets.json'))
  const store: SecretStore = vault ?? (await EmbeddedStore.open(embedded, ring, () => clock.now()))
  const keeper = new Keeper({ master, ring, store, clock, trustDomain })
  // A rotation that is not possible now is tried again every minute, and stops nobody from starting with the keys there are.
  if (purpose === 'keep')
    await keeper.tend().catch((error) => {
      if (created) throw error
    })
  return { keeper, created }
}

/** @throws KeeperError `store_damaged` where something was sealed before: a new key would only look as if it opened it */
function requireFirstStart(home: string): void {
  const sealed = [join('keys', 'secrets.json'), 'postgres.ready'].find((name) => existsSync(join(home, name)))
  if (sealed === undefined) return
  throw new KeeperError(
    'store_damaged',
    `There is ${sealed} in ${home}, and the key-encryption keys it needs are not: put keys/ back from a backup.`,
  )
}

async function refuseSealed({ means }: Seal): Promise<never> {
  throw new KeeperError('sealed', `The master key is sealed by ${means}: start the platform and run redoubt unseal.`)
}

async function vaultStoreOf(
  config: Extract<Config['secretStore'], { kind: 'vault' }>,
  clock: Clock,
): Promise<VaultStore> {
  const { mount, prefix, vault } = config
  return new VaultStore(await vaultClient(vault, 'store', clock), {
    mount,
    folder: prefix,
    clock,
    timers: systemTimers,
  })
}

/** A text file that may be missing and is replaced whole. */
export const fileAt = (path: string): RingFile => ({
  read: () =>
    readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    }),
  write: (text) => writeDurably(path, text),
})

/** The wrapped KEKs in the vault (KEY-1): no file of this machine is needed to open the keeper again elsewhere. */
const inVault = (store: SecretStore): RingFile => ({
  read: async () => (await store.read('keys/kek'))?.value.reveal() ?? null,
  write: async (text) => {
    const version = (await store.read('keys/kek'))?.version ?? 0
    await store.write('keys/kek', new Secret(text), version)
  },
})
