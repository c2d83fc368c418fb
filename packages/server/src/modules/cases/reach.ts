import type { Permission } from '@redoubt/contract'
import { AppError } from '../../platform/app-error.ts'
import type { TenantCtx } from '../../platform/operation.ts'
import { type Audience, sees } from './rules/audience.ts'
import { type CaseDetail, findCase, lockCase, staleSince } from './store/cases.ts'
import { membersAmong } from './store/people.ts'
import { caseResource } from './view.ts'

/** A case to read. @throws AppError not_found, also for one that exists and is not for these eyes; forbidden */
export async function caseToRead(ctx: TenantCtx, id: string): Promise<CaseDetail> {
  const found = await findCase(ctx.tx, id)
  if (!found) throw new AppError('not_found', 'There is no such case.')
  ctx.authorize('case:read', caseResource(found))
  return found
}

/**
 * A case to change, held until the transaction ends. It is read again after the lock was got: while waiting, whoever held
 * it may have taken this person off its audience. @throws AppError not_found, forbidden, conflict once merged, stale
 */
export async function caseToChange(
  ctx: TenantCtx,
  id: string,
  permission: Permission,
  version?: number,
): Promise<CaseDetail> {
  const held = await lockCase(ctx.tx, id)
  const found = held ? await findCase(ctx.tx, id) : null
  if (!found) throw new AppError('not_found', 'There is no such case.')
  ctx.authorize(permission, caseResource(found))
  if (found.mergedInto) {
    const where = found.mergedInto.number === null ? 'another case' : `case #${found.mergedInto.number}`
    throw new AppError('conflict', `Case #${found.number} was merged into ${where}: go on there.`)
  }
  if (version !== undefined && version !== found.version) throw staleSince(found.updatedAt)
  return found
}

/** A person to be named in a case must be a member who sees it. @throws AppError bad_request naming the field */
export async function requireSeeing(ctx: TenantCtx, userId: string, audience: Audience, field: string): Promise<void> {
  const [member] = await membersAmong(ctx.tx, [userId])
  if (!member) throw refused(field, 'is no member of this organization')
  if (!sees(member, audience)) throw refused(field, 'may not see this case: name them as a recipient first')
}

export function refused(field: string, message: string): AppError {
  return new AppError('bad_request', `${field} ${message}.`, { fields: [{ path: field, message }] })
}
