import { randomUUIDv7 } from 'node:crypto'
import type { contract, OrganizationId, Permission, SessionId } from '@redoubt/contract'
import { createOpaqueToken, hashToken } from '@redoubt/trust'
import { AppError } from '../../platform/app-error.ts'
import type { Database } from '../../platform/database.ts'
import { accountEmailOf } from '../../platform/encrypted-columns.ts'
import type { Kernel } from '../../platform/kernel.ts'
import type { Handlers, PublicCtx } from '../../platform/operation.ts'
import { RateLimit } from '../../platform/rate-limit.ts'
import { inSystem, type SystemTx } from '../../platform/tenant-tx.ts'
import { acceptInvitation, openInvitation } from './invitations.ts'
import { requireMember } from './members.ts'
import { Passwords, requireGoodPassword } from './passwords.ts'
import { emailIndexes, openAddresses, sealAddress } from './personal-data.ts'
import { setUpPlatform } from './set-up.ts'
import {
  findAccount,
  insertSession,
  listSessions,
  membershipsOf,
  operatorOrganization,
  revokeSessions,
} from './store.ts'
import { issueTokens, refreshTokens } from './tokens.ts'
import { recordForPerson, recordIn } from './trail.ts'

const wrongCredentials = 'E-mail address or password is wrong.'

type Parts = {
  readonly kernel: Kernel
  readonly database: Database
  readonly permissionsOf: (role: string, isOperator: boolean) => Permission[]
}

/** Sign-in, set-up, invitations and the signed-in person. */
export function authOperations({ kernel, database, permissionsOf }: Parts): Handlers<typeof contract.auth> {
  const passwords = new Passwords()
  // Beside the limit per address: one account tried from many addresses (AUTH-8). Unknown accounts count alike.
  const perAccount = new RateLimit({
    limit: kernel.config.limits.signInPerMinute * 4,
    windowMs: 15 * 60_000,
    clock: kernel.clock,
  })

  /** Finds the person, or refuses in the same words and the same time whoever asks (AUTH-5). */
  async function prove(ctx: PublicCtx, email: string, password: string, refusal = wrongCredentials) {
    perAccount.take(email, 'attempts on one account in 15 minutes')
    const indexes = await emailIndexes(kernel.fields, email)
    const account = await inSystem(database, 'sign-in', (tx) => findAccount(tx, indexes))
    if (await passwords.matches(password, account?.passwordHash ?? null)) return account as NonNullable<typeof account>
    await inSystem(database, 'sign-in', async (tx) => {
      const event = { action: 'session.refused', outcome: 'denied', facts: { reason: 'credentials' } } as const
      if (account) await recordForPerson(tx, ctx, account, event)
      else
        await recordIn(
          tx,
          ctx,
          await operatorOrganization(tx),
          { kind: 'anonymous', id: 'unknown', name: 'unknown account' },
          event,
        )
    })
    throw new AppError('unauthenticated', refusal)
  }

  async function startBrowser(tx: SystemTx, ctx: PublicCtx, person: { id: string; name: string }): Promise<() => void> {
    const token = createOpaqueToken('ses')
    const expiresAt = new Date(ctx.now.getTime() + kernel.config.sessionAbsoluteMs)
    const id = randomUUIDv7()
    await insertSession(tx, {
      id,
      userId: person.id,
      kind: 'browser',
      organizationId: null,
      tokenHash: hashToken(token),
      userAgent: ctx.userAgent,
      address: await sealAddress(kernel.fields, id, ctx.address),
      now: ctx.now,
      expiresAt,
    })
    await recordForPerson(tx, ctx, person, {
      action: 'session.opened',
      target: { kind: 'session', id },
      facts: { kind: 'browser' },
    })
    return () => ctx.browser?.start(token, Math.floor(kernel.config.sessionAbsoluteMs / 1000))
  }

  return {
    async setUp(ctx, input) {
      requireGoodPassword(input.password, input.email)
      const passwordHash = await passwords.hash(input.password)
      const { slug, setCookie } = await inSystem(database, 'set-up', async (tx) => {
        const made = await setUpPlatform(tx, kernel.fields, { ...input, passwordHash, now: ctx.now })
        const person = { id: made.userId, name: input.name }
        await recordIn(
          tx,
          ctx,
          made.organizationId,
          { kind: 'person', ...person },
          { action: 'platform.set-up', target: { kind: 'organization', id: made.organizationId } },
        )
        return { slug: made.slug, setCookie: await startBrowser(tx, ctx, person) }
      })
      setCookie()
      return { slug }
    },

    async signIn(ctx, input) {
      const person = await prove(ctx, input.email, input.password)
      const setCookie = await inSystem(database, 'sign-in', (tx) => startBrowser(tx, ctx, person))
      setCookie()
      return { done: true }
    },

    async login(ctx, input) {
      const person = await prove(ctx, input.email, input.password)
      return inSystem(database, 'sign-in', async (tx) => {
        const memberships = await membershipsOf(tx, person.id)
        const chosen =
          input.organization === undefined
            ? memberships
            : memberships.filter((each) => each.slug === input.organization)
        const [only] = chosen
        if (!only) throw new AppError('forbidden', 'You do not belong to this organization.')
        if (chosen.length > 1)
          throw new AppError(
            'bad_request',
            `You belong to several organizations: set "organization" to one of ${chosen.map((each) => each.slug).join(', ')}.`,
          )
        const expiresAt = new Date(ctx.now.getTime() + kernel.config.sessionAbsoluteMs)
        const sessionId = randomUUIDv7()
        await insertSession(tx, {
          id: sessionId,
          userId: person.id,
          kind: 'token',
          organizationId: only.id,
          tokenHash: null,
          userAgent: ctx.userAgent,
          address: await sealAddress(kernel.fields, sessionId, ctx.address),
          now: ctx.now,
          expiresAt,
        })
        await recordForPerson(tx, ctx, person, {
          action: 'session.opened',
          target: { kind: 'session', id: sessionId },
          facts: { kind: 'token' },
        })
        return issueTokens(tx, kernel, {
          userId: person.id,
          sessionId,
          organizationId: only.id as OrganizationId,
          sessionExpiresAt: expiresAt,
        })
      })
    },

    refresh: (ctx, input) => refreshTokens(ctx, kernel, database, input.refreshToken),

    async logout(ctx) {
      await inSystem(database, 'sign-in', async (tx) => {
        await revokeSessions(tx, { userId: ctx.person.userId, id: ctx.person.sessionId }, 'signed out', ctx.now)
        await recordForPerson(
          tx,
          ctx,
          { id: ctx.person.userId, name: ctx.person.name },
          {
            action: 'session.ended',
            target: { kind: 'session', id: ctx.person.sessionId },
            facts: { because: 'signed out' },
          },
        )
      })
      ctx.browser?.end()
      return { done: true }
    },

    async me(ctx) {
      const { userId, sessionId, strength } = ctx.person
      const operatorId = await inSystem(database, 'authenticate', operatorOrganization)
      return ctx.asSelf(async (tx) => {
        const { id, name, emailSealed } = await tx.db
          .selectFrom('users')
          .select(['id', 'name', 'email_sealed as emailSealed'])
          .where('id', '=', userId)
          .executeTakeFirstOrThrow()
        const session = await tx.db
          .selectFrom('sessions')
          .select('expires_at')
          .where('id', '=', sessionId)
          .executeTakeFirstOrThrow()
        const memberships = await membershipsOf(tx, userId)
        return {
          user: { id, name, email: await kernel.fields.open(accountEmailOf(id), emailSealed) },
          session: { id: sessionId, strength, expiresAt: session.expires_at.toISOString() },
          memberships: memberships.map(({ role, ...organization }) => ({
            organization,
            role,
            permissions: permissionsOf(role, organization.id === operatorId),
          })),
        }
      })
    },

    invitation: (ctx, input) =>
      inSystem(database, 'invitation', (tx) => openInvitation(tx, kernel.fields, input.token, ctx.now)).then(
        ({ organizationName, email, role, person }) => ({
          organization: organizationName,
          email,
          role,
          known: person !== null,
        }),
      ),

    async acceptInvitation(ctx, input) {
      const { slug, setCookie } = await acceptInvitation(database, kernel.fields, ctx, input, {
        // Counted and recorded like a sign-in: whoever invites holds the link, and could else try a stranger's password with it.
        prove: (email) => prove(ctx, email, input.password, 'This address has an account: confirm with its password.'),
        hash: (password) => passwords.hash(password),
        signIn: (tx, person) => startBrowser(tx, ctx, person),
      })
      setCookie()
      return { slug }
    },
  }
}

/** One's own sessions, and those of a member. */
export function sessionOperations({
  kernel,
  database,
}: Pick<Parts, 'kernel' | 'database'>): Handlers<typeof contract.sessions> {
  const shown = async (rows: Awaited<ReturnType<typeof listSessions>>, current: string | null) => {
    const addresses = await openAddresses(kernel.fields, rows)
    return {
      items: rows.map((row, at) => ({
        id: row.id,
        kind: row.kind,
        createdAt: row.created_at.toISOString(),
        lastSeenAt: row.last_seen_at.toISOString(),
        expiresAt: row.expires_at.toISOString(),
        userAgent: row.user_agent,
        ip: addresses[at] ?? null,
        current: row.id === current,
      })),
      next: null,
    }
  }
  return {
    list: (ctx) =>
      ctx.asSelf(async (tx) => shown(await listSessions(tx, ctx.person.userId, ctx.now), ctx.person.sessionId)),
    async revoke(ctx, { id }: { id: SessionId }) {
      await inSystem(database, 'sign-in', async (tx) => {
        const ended = await revokeSessions(tx, { userId: ctx.person.userId, id }, 'ended by its person', ctx.now)
        if (ended === 0) throw new AppError('not_found', 'You have no such session.')
        await recordForPerson(
          tx,
          ctx,
          { id: ctx.person.userId, name: ctx.person.name },
          { action: 'session.ended', target: { kind: 'session', id }, facts: { because: 'ended by its person' } },
        )
      })
      return { done: true }
    },
    async listOfMember(ctx, { userId }) {
      await requireMember(ctx.tx, userId)
      return shown(await listSessions(ctx.tx, userId, ctx.now), ctx.person.sessionId)
    },
    async revokeOfMember(ctx, { userId }) {
      await requireMember(ctx.tx, userId)
      const ended = await revokeSessions(ctx.tx, { userId }, 'ended by an admin', ctx.now)
      ctx.record({ action: 'session.ended-by-admin', target: { kind: 'user', id: userId }, facts: { ended } })
      ctx.live('sessions')
      return { ended }
    },
  }
}
