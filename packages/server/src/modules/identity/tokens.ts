import { randomUUID } from 'node:crypto'
import type { OrganizationId, Tokens } from '@redoubt/contract'
import { createOpaqueToken, hashToken, signAccessToken } from '@redoubt/trust'
import type { z } from 'zod'
import { AppError } from '../../platform/app-error.ts'
import type { Database } from '../../platform/database.ts'
import type { Kernel } from '../../platform/kernel.ts'
import type { PublicCtx } from '../../platform/operation.ts'
import { inSystem, type SystemTx } from '../../platform/tenant-tx.ts'
import { tokenAudience } from './session-guard.ts'
import { insertRefreshToken, lockRefreshToken, markRefreshTokenUsed, revokeSessions } from './store.ts'
import { recordForPerson } from './trail.ts'

const accessSeconds = 15 * 60
const refreshMs = 7 * 24 * 3_600_000

type Grant = { userId: string; sessionId: string; organizationId: OrganizationId; sessionExpiresAt: Date }

/** An access token (SESS-3) and the refresh token that replaces it. */
export async function issueTokens(tx: SystemTx, kernel: Kernel, grant: Grant): Promise<z.input<typeof Tokens>> {
  const now = kernel.clock.now()
  const refreshToken = createOpaqueToken('ref')
  const expiresAt = new Date(Math.min(now.getTime() + refreshMs, grant.sessionExpiresAt.getTime()))
  await insertRefreshToken(tx, { hash: hashToken(refreshToken), sessionId: grant.sessionId, now, expiresAt })
  const accessToken = signAccessToken(
    {
      issuer: kernel.config.publicUrl,
      audience: tokenAudience,
      userId: grant.userId,
      sessionId: grant.sessionId,
      organizationId: grant.organizationId,
      tokenId: randomUUID(),
      now,
      lifetimeSeconds: accessSeconds,
    },
    kernel.signing.access.active(),
  )
  return {
    tokenType: 'Bearer',
    accessToken,
    expiresIn: accessSeconds,
    refreshToken,
    refreshExpiresIn: Math.floor((expiresAt.getTime() - now.getTime()) / 1000),
    organizationId: grant.organizationId,
  }
}

/**
 * Exchanges a refresh token, once. A second use, also by a request that raced the first, means that two parties hold it:
 * the whole family ends (RFC 9700 §4.14.2). The revocation is committed although the answer is a refusal.
 */
export async function refreshTokens(
  ctx: PublicCtx,
  kernel: Kernel,
  database: Database,
  refreshToken: string,
): Promise<z.input<typeof Tokens>> {
  const tokens = await inSystem(database, 'sign-in', async (tx) => {
    const hash = hashToken(refreshToken)
    const row = await lockRefreshToken(tx, hash)
    if (!row || row.organizationId === null) return null
    const person = { id: row.userId, name: row.name }
    const target = { kind: 'session', id: row.sessionId }
    if (row.usedAt !== null) {
      await revokeSessions(tx, { userId: row.userId, id: row.sessionId }, 'refresh token used twice', ctx.now)
      await recordForPerson(tx, ctx, person, { action: 'session.refresh-reused', target, outcome: 'denied' })
      return null
    }
    if (row.revokedAt !== null || row.expiresAt <= ctx.now || row.sessionExpiresAt <= ctx.now) return null
    await markRefreshTokenUsed(tx, hash, ctx.now)
    await recordForPerson(tx, ctx, person, { action: 'session.refreshed', target })
    return issueTokens(tx, kernel, {
      userId: row.userId,
      sessionId: row.sessionId,
      organizationId: row.organizationId as OrganizationId,
      sessionExpiresAt: row.sessionExpiresAt,
    })
  })
  if (!tokens) throw new AppError('unauthenticated', 'The refresh token is not valid any more: sign in again.')
  return tokens
}
