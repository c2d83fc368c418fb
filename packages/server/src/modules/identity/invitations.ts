import { hashToken } from '@redoubt/trust'
import { AppError } from '../../platform/app-error.ts'
import type { Database } from '../../platform/database.ts'
import type { PublicCtx } from '../../platform/operation.ts'
import { inSystem, type SystemTx } from '../../platform/tenant-tx.ts'
import { announce } from '../../platform/work.ts'
import { requireGoodPassword } from './passwords.ts'
import { addMembership, announceRevocation, claimInvitation, createUser, findInvitation } from './store.ts'
import { recordIn } from './trail.ts'

/** The invitation behind a link. @throws AppError gone in the same words for every reason it does not work */
export async function openInvitation(tx: SystemTx, token: string, now: Date) {
  const row = await findInvitation(tx, hashToken(token))
  if (!row || row.acceptedAt !== null || row.revokedAt !== null || row.expiresAt <= now) {
    throw new AppError('gone', 'This invitation was used, withdrawn or is older than 7 days: ask for a new one.')
  }
  return row
}

/** Joins the organization: a known person proves it is them, a new one chooses a name and a password. */
export async function acceptInvitation<T>(
  database: Database,
  ctx: PublicCtx,
  input: { token: string; name?: string | undefined; password: string },
  account: {
    /** Holds the input's password against the account's. @throws AppError unauthenticated, rate_limited */
    prove(email: string): Promise<unknown>
    hash(password: string): Promise<string>
    signIn(tx: SystemTx, person: { id: string; name: string }): Promise<T>
  },
): Promise<{ slug: string; setCookie: T }> {
  const invitation = await inSystem(database, 'invitation', (tx) => openInvitation(tx, input.token, ctx.now))
  let passwordHash: string | null = null
  if (invitation.userId !== null) await account.prove(invitation.email)
  else {
    if (input.name === undefined)
      throw new AppError('bad_request', 'Say your name.', { fields: [{ path: 'name', message: 'must not be empty' }] })
    requireGoodPassword(input.password, invitation.email)
    passwordHash = await account.hash(input.password)
  }
  return inSystem(database, 'invitation', async (tx) => {
    if (!(await claimInvitation(tx, invitation.id, ctx.now)))
      throw new AppError('gone', 'This invitation was used or withdrawn a moment ago.')
    const userId =
      invitation.userId ??
      (await createUser(tx, {
        email: invitation.email,
        name: input.name as string,
        passwordHash: passwordHash as string,
        now: ctx.now,
      }))
    const person = { id: userId, name: invitation.userName ?? (input.name as string) }
    const joined = await addMembership(tx, {
      organizationId: invitation.organizationId,
      userId,
      role: invitation.role,
      now: ctx.now,
    })
    if (!joined) throw new AppError('conflict', 'You belong to this organization already.')
    await recordIn(
      tx,
      ctx,
      invitation.organizationId,
      { kind: 'person', ...person },
      { action: 'member.joined', target: { kind: 'user', id: userId }, facts: { role: invitation.role } },
    )
    await announce(tx.db, invitation.organizationId, ['members'])
    await announceRevocation(tx, userId)
    return { slug: invitation.slug, setCookie: await account.signIn(tx, person) }
  })
}
