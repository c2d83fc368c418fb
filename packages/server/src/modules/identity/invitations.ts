import { hashToken } from '@redoubt/trust'
import { AppError } from '../../platform/app-error.ts'
import type { Database } from '../../platform/database.ts'
import { invitationEmailOf } from '../../platform/encrypted-columns.ts'
import type { Fields } from '../../platform/fields.ts'
import type { PublicCtx } from '../../platform/operation.ts'
import { inSystem, type SystemTx } from '../../platform/tenant-tx.ts'
import { announce } from '../../platform/work.ts'
import { requireGoodPassword } from './passwords.ts'
import { emailIndexes } from './personal-data.ts'
import { addMembership, announceRevocation, claimInvitation, createUser, findInvitation, findPerson } from './store.ts'
import { recordIn } from './trail.ts'

/**
 * The invitation behind a link, and the account of its address when there is one.
 * @throws AppError gone in the same words for every reason it does not work
 */
export async function openInvitation(tx: SystemTx, fields: Fields, token: string, now: Date) {
  const row = await findInvitation(tx, hashToken(token))
  if (!row || row.acceptedAt !== null || row.revokedAt !== null || row.expiresAt <= now) {
    throw new AppError('gone', 'This invitation was used, withdrawn or is older than 7 days: ask for a new one.')
  }
  const email = await fields.open(invitationEmailOf(row.organizationId, row.id), row.emailSealed)
  const person = (await findPerson(tx, await emailIndexes(fields, email))) ?? null
  return { ...row, email, person }
}

/** Joins the organization: a known person proves it is them, a new one chooses a name and a password. */
export async function acceptInvitation<T>(
  database: Database,
  fields: Fields,
  ctx: PublicCtx,
  input: { token: string; name?: string | undefined; password: string },
  account: {
    /** Holds the input's password against the account's. @throws AppError unauthenticated, rate_limited */
    prove(email: string): Promise<unknown>
    hash(password: string): Promise<string>
    signIn(tx: SystemTx, person: { id: string; name: string }): Promise<T>
  },
): Promise<{ slug: string; setCookie: T }> {
  const invitation = await inSystem(database, 'invitation', (tx) => openInvitation(tx, fields, input.token, ctx.now))
  let passwordHash: string | null = null
  if (invitation.person !== null) await account.prove(invitation.email)
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
      invitation.person?.id ??
      (await createUser(tx, fields, {
        email: invitation.email,
        name: input.name as string,
        passwordHash: passwordHash as string,
        now: ctx.now,
      }))
    // Another invitation to the same address was faster. The transaction is undone, so this one stays open.
    if (userId === null)
      throw new AppError(
        'conflict',
        'An account for this address was made a moment ago: open the link again and join with its password.',
      )
    const person = { id: userId, name: invitation.person?.name ?? (input.name as string) }
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
