import { Secret, type Timers } from '@redoubt/trust'
import { z } from 'zod'
import { KeeperError } from './keeper-error.ts'
import type { VaultClient } from './vault-client.ts'
import { VaultLease } from './vault-lease.ts'
import { requireMount } from './vault-sign-in.ts'
import { refusalOf } from './vault-wire.ts'

/*
 * PostgreSQL credentials that Vault makes for one service and takes back (SEC-1). They are renewed as long as Vault lets
 * them be; before they end, new ones are taken, the service moves over, and the old ones are revoked.
 */

export type DatabaseCredentials = { readonly username: string; readonly password: Secret<string> }

export type DatabaseOptions = {
  /** By default `database`. */
  readonly mount?: string | undefined
  readonly role: string
  readonly timers: Timers
  /** Moves connections over to new credentials. The old ones are revoked when it has resolved. */
  readonly onChange: (credentials: DatabaseCredentials) => Promise<void>
}

const Lent = z.object({
  lease_id: z.string().min(1),
  lease_duration: z.int().positive(),
  data: z.object({ username: z.string().min(1), password: z.string().min(1) }),
})
const Renewed = z.object({ lease_duration: z.int().min(0) })
type Held = DatabaseCredentials & { readonly leaseId: string; readonly leaseMs: number }

export class VaultDatabase {
  readonly #vault: VaultClient
  readonly #path: string
  readonly #onChange: DatabaseOptions['onChange']
  readonly #lease: VaultLease
  #held: Held

  private constructor(vault: VaultClient, path: string, held: Held, { timers, onChange }: DatabaseOptions) {
    this.#vault = vault
    this.#path = path
    this.#held = held
    this.#onChange = onChange
    this.#lease = new VaultLease(timers, { renew: () => this.#renew(), replace: () => this.#replace() })
    this.#lease.hold(held.leaseMs)
  }

  /** Takes credentials of a role. The client stays the caller's. @throws KeeperError `store_unavailable`, `not_allowed` */
  static async open(vault: VaultClient, options: DatabaseOptions): Promise<VaultDatabase> {
    const { mount = 'database', role } = options
    requireMount(mount)
    if (!/^[\w-]{1,100}$/.test(role))
      throw new KeeperError('invalid', 'A database role of Vault has letters, digits and hyphens.')
    const path = `${mount}/creds/${role}`
    return new VaultDatabase(vault, path, await take(vault, path), options)
  }

  current(): DatabaseCredentials {
    const { username, password } = this.#held
    return { username, password }
  }

  /** Gives the credentials back: Vault drops the database's user. Close the connections first. */
  async close(): Promise<void> {
    this.#lease.stop()
    await revoke(this.#vault, this.#held.leaseId)
  }

  async #renew(): Promise<number | null> {
    const { leaseId, leaseMs } = this.#held
    const body = { lease_id: leaseId, increment: leaseMs / 1000 }
    const answer = await this.#vault.call({ method: 'POST', path: 'sys/leases/renew', body, repeatable: true })
    const renewed = Renewed.safeParse(answer.body)
    return answer.status === 200 && renewed.success ? renewed.data.lease_duration * 1000 : null
  }

  async #replace(): Promise<number> {
    const taken = await take(this.#vault, this.#path)
    const { username, password } = taken
    try {
      await this.#onChange({ username, password })
    } catch (error) {
      // The service stays where it is, and is asked again with others.
      await revoke(this.#vault, taken.leaseId)
      throw error
    }
    const { leaseId } = this.#held
    this.#held = taken
    await revoke(this.#vault, leaseId)
    return taken.leaseMs
  }
}

async function take(vault: VaultClient, path: string): Promise<Held> {
  // Not repeatable: each answer, also a lost one, is a user in the database.
  const answer = await vault.call({ method: 'GET', path, repeatable: false })
  const lent = answer.status === 200 ? Lent.safeParse(answer.body) : null
  if (!lent?.success)
    throw new KeeperError('store_unavailable', `Vault lends nothing at ${path}: ${refusalOf(answer)}.`)
  const { lease_id: leaseId, lease_duration, data } = lent.data
  return { leaseId, leaseMs: lease_duration * 1000, username: data.username, password: new Secret(data.password) }
}

async function revoke(vault: VaultClient, leaseId: string): Promise<void> {
  // One that cannot be revoked ends by itself.
  await vault
    .call({ method: 'POST', path: 'sys/leases/revoke', body: { lease_id: leaseId }, repeatable: true })
    .catch(() => null)
}
