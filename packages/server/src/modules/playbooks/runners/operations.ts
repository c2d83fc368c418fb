import { randomUUIDv7 } from 'node:crypto'
import type { contract, OrganizationId } from '@redoubt/contract'
import { createOpaqueToken, hashToken, importVerifyingKey, requireOpaqueToken, TrustError } from '@redoubt/trust'
import type { z } from 'zod'
import { AppError } from '../../../platform/app-error.ts'
import type { Database } from '../../../platform/database.ts'
import type { Kernel } from '../../../platform/kernel.ts'
import type { Handlers, PublicCtx } from '../../../platform/operation.ts'
import { inSystem } from '../../../platform/tenant-tx.ts'
import { work } from '../../../platform/work.ts'
import { type RunnerChannel, runnerChannel } from './channel.ts'
import { takeReport } from './report.ts'
import { enrolmentMs, runnerOrigin, runnersAddress, startCommand } from './rules.ts'
import {
  claimEnrolment,
  findEnrolment,
  findRunner,
  insertEnrolment,
  insertRunner,
  listRunners,
  type RunnerRow,
  revokeRunner,
} from './store.ts'

/** Runners of an organization: enrolment, certificates, reports, revocation. */
export function runnerOperations(kernel: Kernel, database: Database): Handlers<typeof contract.runners> {
  const channel = runnerChannel(kernel)
  return {
    async list(ctx) {
      return { items: (await listRunners(ctx.tx)).map(shown), next: null }
    },

    async invite(ctx, { name }) {
      const token = createOpaqueToken('run')
      const id = randomUUIDv7()
      const expiresAt = new Date(ctx.now.getTime() + enrolmentMs)
      const { userId: by } = ctx.person
      await insertEnrolment(ctx.tx, { id, name, tokenHash: hashToken(token), by, at: ctx.now, expiresAt })
      ctx.record({ action: 'runner.invited', target: { kind: 'runner-enrolment', id } })
      ctx.live('runners')
      const [controlPlane, pinned] = [runnersAddress(kernel.config), channel.pinned(token)]
      const command = startCommand(controlPlane, pinned)
      return { token: pinned, expiresAt: expiresAt.toISOString(), controlPlane, command }
    },

    async revoke(ctx, { id }) {
      if (!(await findRunner(ctx.tx, id))) throw new AppError('not_found', 'There is no such runner.')
      if (!(await revokeRunner(ctx.tx, id, ctx.now))) throw new AppError('conflict', 'This runner is revoked already.')
      // Revoked it is in any case: without the keeper its certificate holds for up to a day, and proves nothing here.
      const { organizationId } = ctx
      const denied = await channel.deny({ organizationId, runnerId: id }, 'the runner was revoked')
      ctx.record({ action: 'runner.revoked', target: { kind: 'runner', id }, facts: { denied } })
      ctx.live('runners')
      // Its runs are ended by the service, which sees those on cases that whoever revokes may not see.
      await ctx.enqueue('runners.revoked', { runnerId: id })
      return { done: true }
    },

    enroll: (ctx, input) => enroll({ kernel, database, channel }, ctx, input),

    async renew({ organizationId, runnerId, record }, { certificateRequest }) {
      const certified = await channel.certify({ organizationId, runnerId }, certificateRequest)
      record({ action: 'runner.certified', target: { kind: 'runner', id: runnerId } })
      return certified
    },

    async trust() {
      return {
        planKeys: { keys: kernel.signing.plan.jwks().keys.map((key) => ({ ...key })) },
        ...(await channel.trust()),
      }
    },

    async report(ctx, report) {
      await takeReport(ctx, report)
      return { done: true }
    },
  }
}

type Enrolling = z.output<typeof contract.runners.enroll.input>

/** Makes the holder of a one-time token a runner with the key it brings. */
async function enroll(
  { kernel, database, channel }: { kernel: Kernel; database: Database; channel: RunnerChannel },
  ctx: PublicCtx,
  { token, publicKey, url, certificateRequest }: Enrolling,
) {
  const origin = runnerOrigin(url)
  const keyId = requireKey(publicKey)
  const enrolment = isWhole(token) && (await inSystem(database, 'runner', (tx) => findEnrolment(tx, hashToken(token))))
  if (!enrolment) throw spent()
  const organizationId = enrolment.organizationId as OrganizationId
  const { name } = enrolment
  const id = randomUUIDv7()
  const actor = { kind: 'runner', id, name } as const
  const { clock, config } = kernel
  const certified = await work(
    database,
    { organizationId, actor, clock, requestId: ctx.requestId },
    async ({ tx, now, record, live }) => {
      if (!(await claimEnrolment(tx, enrolment.id, now))) throw spent()
      await insertRunner(tx, { id, name, url: origin, publicKey, keyId, at: now })
      record({ action: 'runner.enrolled', target: { kind: 'runner', id }, facts: { enrolmentId: enrolment.id, keyId } })
      live('runners')
      // The last thing before the commit: what the keeper refuses does not use the token up.
      return channel.certify({ organizationId, runnerId: id }, certificateRequest)
    },
  )
  const { publicUrl: issuer, trustDomain } = config
  return { runnerId: id, organizationId, issuer, trustDomain, ...certified }
}

/** The key's RFC 7638 thumbprint. @throws AppError bad_request for a point that is not on the curve */
function requireKey(publicKey: object): string {
  try {
    return importVerifyingKey(publicKey).kid
  } catch (cause) {
    const field = { path: 'publicKey', message: 'must be a public P-256 key' }
    throw new AppError('bad_request', 'The input is not valid; `errors` says where.', { cause, fields: [field] })
  }
}

function isWhole(token: string): boolean {
  try {
    requireOpaqueToken(token, 'run')
    return true
  } catch (error) {
    if (error instanceof TrustError) return false
    throw error
  }
}

const spent = () =>
  new AppError('gone', 'This enrolment token was used, is older than an hour, or is none of ours: make a new one.')

const shown = (row: RunnerRow) => ({
  id: row.id,
  name: row.name,
  url: row.url,
  keyId: row.keyId,
  enrolledAt: row.enrolledAt.toISOString(),
  lastSeenAt: row.lastSeenAt?.toISOString() ?? null,
  revoked: row.revokedAt !== null,
})
