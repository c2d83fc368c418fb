import { randomBytes, randomUUIDv7 } from 'node:crypto'
import type { SourceMapping, sources } from '@redoubt/contract'
import { createOpaqueToken, formatWebhookSecret, hashToken } from '@redoubt/trust'
import { AppError } from '../../platform/app-error.ts'
import { publicAddress } from '../../platform/config.ts'
import { webhookSecretOf } from '../../platform/encrypted-columns.ts'
import type { Kernel } from '../../platform/kernel.ts'
import type { Handlers, TenantCtx } from '../../platform/operation.ts'
import { compileMappings } from './adapters/mappings.ts'
import { describeAdapters } from './adapters/normalize.ts'
import { countBySource } from './counts.ts'
import { healthSourceSlug } from './rules.ts'
import {
  deleteSource,
  insertSource,
  listSources,
  lockSource,
  replaceCredentials,
  type SourceRow,
  updateSource,
} from './source-store.ts'

const HOURS = 24

export function sourceOperations(kernel: Kernel): Handlers<typeof sources> {
  const door = publicAddress(kernel.config, 'ingestion')
  return {
    async list({ tx, now }) {
      const rows = await listSources(tx)
      const activity = await activityOf({ tx, now })
      return { items: rows.map((row) => shownSource(door, row, activity(row.id))), next: null }
    },

    async adapters() {
      return {
        items: describeAdapters().map(({ type, label, vendor, setUp }) => ({
          type,
          label,
          vendor,
          instructions: setUp,
        })),
      }
    },

    async create(ctx, { mapping, ...draft }) {
      refuseOwn(draft)
      requireReadable(mapping)
      const id = randomUUIDv7()
      const { stored, shown } = await newCredentials(kernel, ctx.organizationId, id)
      const row = await insertSource(ctx.tx, { ...draft, ...stored, id, mapping: mapping ?? null, createdAt: ctx.now })
      changed(ctx, 'source.created', id, { type: draft.type, slug: draft.slug, tlp: draft.tlp })
      return { source: shownSource(door, row, Array(HOURS).fill(0)), credentials: shown }
    },

    async update(ctx, { id, ...changes }) {
      requireReadable(changes.mapping)
      refuseOwn(await lockSource(ctx.tx, id))
      const row = await updateSource(ctx.tx, id, changes)
      changed(ctx, 'source.updated', id, { changed: Object.keys(changes), enabled: row.enabled })
      return shownSource(door, row, (await activityOf(ctx))(id))
    },

    async rotate(ctx, { id }) {
      refuseOwn(await lockSource(ctx.tx, id))
      const { stored, shown } = await newCredentials(kernel, ctx.organizationId, id)
      await replaceCredentials(ctx.tx, id, stored)
      changed(ctx, 'source.rotated', id)
      return shown
    },

    async remove(ctx, { id }) {
      // Not asked of the alerts: those of a RED case are out of sight here and would be orphaned.
      const source = await lockSource(ctx.tx, id)
      refuseOwn(source)
      const { lastEventAt } = source
      if (lastEventAt !== null) {
        await updateSource(ctx.tx, id, { enabled: false })
        changed(ctx, 'source.disabled', id, { because: 'it has sent events' })
      } else {
        await deleteSource(ctx.tx, id)
        changed(ctx, 'source.removed', id)
      }
      return { done: true }
    },
  }
}

/** Else whoever may manage sources could speak as the platform, or silence it. */
function refuseOwn({ slug }: { readonly slug: string }): void {
  if (slug !== healthSourceSlug) return
  throw new AppError(
    'conflict',
    `${healthSourceSlug} is the platform’s own source: it cannot be made or changed by hand.`,
  )
}

/** What is kept, a hash and a sealed form, and what is shown once. */
async function newCredentials({ fields }: Kernel, organizationId: string, id: string) {
  const token = createOpaqueToken('src')
  const webhookSecret = formatWebhookSecret(randomBytes(32))
  return {
    stored: {
      tokenHash: hashToken(token),
      webhookSecret: await fields.seal(webhookSecretOf(organizationId, id), webhookSecret),
    },
    shown: { token, webhookSecret },
  }
}

function changed(ctx: TenantCtx, action: string, id: string, facts: Readonly<Record<string, unknown>> = {}): void {
  ctx.record({ action, target: { kind: 'source', id }, facts })
  ctx.live('sources')
}

/** A path that cannot be read is refused when it is declared, not when the first alert arrives. */
function requireReadable(mapping: SourceMapping | null | undefined): void {
  if (!mapping) return
  try {
    compileMappings(mapping)
  } catch (cause) {
    const issues = (cause as { issues?: { path: PropertyKey[]; message: string }[] }).issues
    if (!issues) throw cause
    throw new AppError('bad_request', 'The mapping cannot be read; `errors` says where.', {
      cause,
      fields: issues.map(({ path, message }) => ({ path: ['mapping', ...path].join('.'), message })),
    })
  }
}

/** Alerts per hour of the last 24 hours, oldest first, for each source. */
async function activityOf({ tx, now }: Pick<TenantCtx, 'tx' | 'now'>): Promise<(sourceId: string) => number[]> {
  const bySource = Map.groupBy(await countBySource(tx, now), ({ sourceId }) => sourceId)
  return (sourceId) => {
    const hours = Array<number>(HOURS).fill(0)
    for (const { hoursAgo, count } of bySource.get(sourceId) ?? []) hours[HOURS - 1 - hoursAgo] = count
    return hours
  }
}

function shownSource(door: string, row: SourceRow, activity: number[]) {
  const path = `/ingest/${row.id}`
  return {
    id: row.id,
    name: row.name,
    slug: row.slug,
    type: row.type,
    tlp: row.tlp,
    enabled: row.enabled,
    mapping: row.mapping,
    path,
    url: `${door}${path}`,
    createdAt: row.createdAt.toISOString(),
    lastEventAt: row.lastEventAt?.toISOString() ?? null,
    activity,
  }
}
