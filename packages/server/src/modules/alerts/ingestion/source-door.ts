import { randomBytes } from 'node:crypto'
import type { AdapterType, OrganizationId, SourceId, SourceMapping, Tlp } from '@redoubt/contract'
import { formatWebhookSecret, hashToken, requireOpaqueToken, verifyWebhook } from '@redoubt/trust'
import { z } from 'zod'
import { AppError } from '../../../platform/app-error.ts'
import type { Database } from '../../../platform/database.ts'
import { webhookSecretOf } from '../../../platform/encrypted-columns.ts'
import type { Kernel } from '../../../platform/kernel.ts'
import { inSystem, type SystemTx } from '../../../platform/tenant-tx.ts'

/** A source as its door knows it. */
export type DoorSource = {
  readonly id: SourceId
  readonly organizationId: OrganizationId
  readonly slug: string
  readonly type: AdapterType
  readonly tlp: Tlp
  readonly mapping: SourceMapping | null
  readonly webhookSecret: Uint8Array
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

const REMEMBERED_MS = 1000
const MAX_REMEMBERED = 10_000

/** Who knocks: a source by its token, or by the signature over what it sends. */
export class SourceDoor {
  readonly #kernel: Kernel
  readonly #database: Database
  /** At most a second old, so that a rotated or disabled source stops within one. Absent sources are remembered too. */
  readonly #remembered = new Map<string, { readonly at: number; readonly source: Promise<DoorSource | null> }>()
  /** Verified against where there is no such source, so that the answer takes as long. */
  readonly #decoy = formatWebhookSecret(randomBytes(32))

  constructor(kernel: Kernel, database: Database) {
    this.#kernel = kernel
    this.#database = database
  }

  /**
   * The enabled source of a token. `name` is the id or the short name in the address; both must belong together.
   * @throws AppError unauthenticated, the same for an unknown, disabled or foreign source and for a wrong token
   */
  async byToken(name: string, token: string): Promise<DoorSource> {
    try {
      requireOpaqueToken(token, 'src')
    } catch (cause) {
      throw refused(cause)
    }
    const tokenHash = hashToken(token)
    const source = await this.#find(`token ${tokenHash}`, (tx) => findSource(tx, 'token_hash', tokenHash))
    if (!source || (source.id !== name && source.slug !== name)) throw refused()
    return source
  }

  /**
   * The enabled source whose secret signed this delivery (Standard Webhooks), over the bytes as they were sent.
   * @throws AppError unauthenticated
   */
  async bySignature(id: string, headers: Headers, body: Uint8Array): Promise<DoorSource> {
    const isId = z.uuid().safeParse(id).success
    const source = isId ? await this.#find(`id ${id}`, (tx) => findSource(tx, 'id', id)) : null
    try {
      verifyWebhook(headers, body, {
        secrets: [source ? await this.#secretOf(source) : this.#decoy],
        now: this.#kernel.clock.now(),
      })
    } catch (cause) {
      throw refused(cause)
    }
    if (!source) throw refused()
    return source
  }

  #secretOf({ organizationId, id, webhookSecret }: DoorSource): Promise<string> {
    return this.#kernel.fields.open(webhookSecretOf(organizationId, id), webhookSecret)
  }

  #find(key: string, find: (tx: SystemTx) => Promise<DoorSource | null>): Promise<DoorSource | null> {
    const now = this.#kernel.clock.now().getTime()
    const known = this.#remembered.get(key)
    if (known && Math.abs(now - known.at) < REMEMBERED_MS) return known.source
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear()
    const source = inSystem(this.#database, 'ingest', find)
    this.#remembered.set(key, { at: now, source })
    source.catch(() => this.#remembered.delete(key))
    return source
  }
}

/** One answer whatever was wrong; only what depends on the request alone is told. */
function refused(cause?: unknown): AppError {
  const code = (cause as { code?: string } | undefined)?.code
  const ofRequest = code === 'webhook_timestamp' || code === 'webhook_malformed'
  const detail = ofRequest
    ? `The signature cannot be verified: ${(cause as Error).message}.`
    : 'The source, its token or its signature is not right, or the source is disabled.'
  return new AppError('unauthenticated', detail, { cause })
}

async function findSource(tx: SystemTx, by: 'id' | 'token_hash', value: string): Promise<DoorSource | null> {
  const row = await tx.db
    .selectFrom('sources')
    .select(['id', 'organization_id', 'slug', 'type', 'tlp', 'mapping', 'webhook_secret'])
    .where(by, '=', value)
    .where('enabled', '=', true)
    .executeTakeFirst()
  // The platform's own source has no secret: nothing that comes through this door can be signed with it.
  if (!row?.webhook_secret) return null
  return {
    id: row.id as SourceId,
    organizationId: row.organization_id as OrganizationId,
    slug: row.slug,
    type: row.type as AdapterType,
    tlp: row.tlp as Tlp,
    mapping: row.mapping as SourceMapping | null,
    webhookSecret: row.webhook_secret,
  }
}
