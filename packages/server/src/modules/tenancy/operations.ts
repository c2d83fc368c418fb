import { randomUUIDv7 } from 'node:crypto'
import type { contract } from '@redoubt/contract'
import { AppError } from '../../platform/app-error.ts'
import type { Handlers } from '../../platform/operation.ts'
import { insertClient, listClients, readOrganization } from './store.ts'

/** The organization of the request and the clients it provides for. */
export function organizationOperations(): Handlers<typeof contract.organizations> {
  return {
    current: (ctx) => readOrganization(ctx.tx, ctx.organizationId),
    async clients(ctx) {
      return { items: await listClients(ctx.tx), next: null }
    },
    async createClient(ctx, { name, slug }) {
      const { providerId } = await readOrganization(ctx.tx, ctx.organizationId)
      if (providerId !== null) throw new AppError('conflict', 'A client organization cannot have clients of its own.')
      const id = randomUUIDv7()
      await insertClient(ctx.tx, { id, name, slug, adminId: ctx.person.userId, now: ctx.now })
      ctx.record({ action: 'organization.client-created', target: { kind: 'organization', id } })
      ctx.live('members')
      return readOrganization(ctx.tx, id)
    },
  }
}
