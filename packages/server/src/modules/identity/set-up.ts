import { createOpaqueToken, hashToken } from '@redoubt/trust'
import { AppError } from '../../platform/app-error.ts'
import type { Database } from '../../platform/database.ts'
import type { Fields } from '../../platform/fields.ts'
import type { Kernel } from '../../platform/kernel.ts'
import { inSystem, type SystemTx } from '../../platform/tenant-tx.ts'
import { addMembership, createUser } from './store.ts'

const validMs = 15 * 60_000

/** A fresh set-up link for an empty platform, replacing the one before; null once somebody has set it up. */
export async function issueSetUpLink(kernel: Kernel, database: Database): Promise<string | null> {
  const token = createOpaqueToken('setup')
  const now = kernel.clock.now()
  return inSystem(database, 'set-up', async (tx) => {
    const { numInsertedOrUpdatedRows } = await tx.db
      .insertInto('set_up')
      .values({ token_hash: hashToken(token), expires_at: new Date(now.getTime() + validMs) })
      .onConflict((conflict) =>
        conflict
          .column('only')
          .doUpdateSet((eb) => ({
            token_hash: eb.ref('excluded.token_hash'),
            expires_at: eb.ref('excluded.expires_at'),
          }))
          .where('set_up.used_at', 'is', null),
      )
      .executeTakeFirst()
    return (numInsertedOrUpdatedRows ?? 0n) > 0n ? `${kernel.config.publicUrl}/setup?token=${token}` : null
  })
}

/**
 * Spends the set-up token and makes the operator's organization with its first admin.
 * @throws AppError gone when the link was used, replaced or is too old
 */
export async function setUpPlatform(
  tx: SystemTx,
  fields: Fields,
  input: { token: string; organization: string; name: string; email: string; passwordHash: string; now: Date },
): Promise<{ organizationId: string; slug: string; userId: string }> {
  const spent = await tx.db
    .updateTable('set_up')
    .set({ used_at: input.now })
    .where('token_hash', '=', hashToken(input.token))
    .where('used_at', 'is', null)
    .where('expires_at', '>', input.now)
    .executeTakeFirst()
  if (spent.numUpdatedRows !== 1n)
    throw new AppError(
      'gone',
      'This set-up link was used or is older than 15 minutes: start the platform again for a new one.',
    )
  const slug = slugOf(input.organization)
  const { id: organizationId } = await tx.db
    .insertInto('organizations')
    .values({ name: input.organization, slug, provider_id: null, created_at: input.now })
    .returning('id')
    .executeTakeFirstOrThrow()
  const userId = await createUser(tx, fields, input)
  if (userId === null) throw new AppError('conflict', 'There is an account for this address already.')
  await addMembership(tx, { organizationId, userId, role: 'admin', now: input.now })
  await tx.db.updateTable('set_up').set({ operator_organization_id: organizationId }).execute()
  return { organizationId, slug, userId }
}

/** `Müller & Söhne GmbH` → `muller-sohne-gmbh`. */
export function slugOf(name: string): string {
  const slug = name
    .normalize('NFKD')
    .replaceAll(/[\u0300-\u036f]/g, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 48)
    .replace(/-+$/, '')
  return slug.length >= 2 ? slug : 'operator'
}
