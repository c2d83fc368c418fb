import type { EncryptedPlace, Platform } from '@redoubt/server'
import type { Databases, Row } from './databases.ts'

/** A data key as it lies in the database, in the keeper's words. */
export type WrappedKey = {
  readonly organizationId: string
  readonly dataClass: string
  readonly version: number
  readonly kek: number
  readonly wrapped: string
}

/** What lies sealed in the database, and the means of the service web to open it. */
export class SealedData {
  readonly #platform: Platform
  readonly #database: Databases

  constructor(platform: Platform, database: Databases) {
    this.#platform = platform
    this.#database = database
  }

  /** Opens a value at a place, as the service does that has the keys. @throws TrustError when it does not belong there */
  open = (place: EncryptedPlace, sealed: Uint8Array): Promise<string> =>
    this.#platform.kernel.fields.open(place, sealed)

  /** @throws Error when there is none */
  async wrappedKey(organizationId: string, dataClass: string): Promise<WrappedKey> {
    const [key] = await this.rows<{ version: number; kek: number; wrapped: Buffer }>(
      `select version, kek, wrapped from redoubt.data_keys
       where organization_id = '${organizationId}' and data_class = '${dataClass}' order by version desc limit 1`,
    )
    if (key === undefined) throw new Error(`${organizationId} has no key for ${dataClass}`)
    return { organizationId, dataClass, ...key, wrapped: key.wrapped.toString('base64') }
  }

  /** What a dump holds: read by the superuser. */
  rows<T extends Row>(statement: string): Promise<T[]> {
    return this.#database.superuser(async (client) => (await client.query<T>(statement)).rows)
  }

  /** Every row of every table as text, as `pg_dump` writes it. */
  async dump(): Promise<string> {
    const tables = await this.rows<{ name: string }>(
      `select c.oid::regclass::text as name from pg_class c
       where c.relnamespace in ('redoubt'::regnamespace, 'graphile_worker'::regnamespace) and c.relkind = 'r'`,
    )
    const texts: string[] = []
    for (const { name } of tables) {
      const [all] = await this.rows<{ text: string | null }>(
        `select string_agg(t::text, e'\\n') as text from ${name} t`,
      )
      texts.push(all?.text ?? '')
    }
    return texts.join('\n')
  }
}

/** How a text can stand in a dump. */
export const spellingsOf = (text: string): readonly string[] => {
  const bytes = Buffer.from(text)
  return [text, bytes.toString('hex'), bytes.toString('base64').replace(/=+$/, '')]
}
