import { NIL_ORGANIZATION, normalEmail, normalIp } from '@redoubt/trust'
import {
  accountEmail,
  accountEmailOf,
  indexOf,
  invitationEmail,
  sessionAddressOf,
} from '../../platform/encrypted-columns.ts'
import type { BlindIndexes, Fields } from '../../platform/fields.ts'

/*
 * What identity keeps of people that is sealed. An address has one index among the accounts, which belong to the
 * installation, and another one in each organization that invites it: rows of two tenants cannot be held against each
 * other, and who joins them does it here, with the keys of both.
 */

/** What an account of this address is found by. */
export const emailIndexes = (fields: Fields, email: string): Promise<BlindIndexes> =>
  fields.index(indexOf(accountEmail, NIL_ORGANIZATION), normalEmail(email))

/** What an invitation of an organization to this address is found by. */
export const invitationIndexes = (fields: Fields, organizationId: string, email: string): Promise<BlindIndexes> =>
  fields.index(indexOf(invitationEmail, organizationId), normalEmail(email))

/** The addresses of these accounts, in their order. */
export const openEmails = (
  fields: Fields,
  accounts: readonly { readonly id: string; readonly emailSealed: Buffer }[],
): Promise<string[]> =>
  fields.openMany(
    NIL_ORGANIZATION,
    accountEmail.dataClass,
    accounts.map(({ id, emailSealed }) => ({ place: accountEmailOf(id), sealed: emailSealed })),
  )

/** Seals where a session was opened from; null for what is no address, such as a socket's. */
export async function sealAddress(fields: Fields, sessionId: string, address: string): Promise<Buffer | null> {
  const ip = ipOf(address)
  return ip === null ? null : fields.seal(sessionAddressOf(sessionId), ip)
}

/** Where these sessions were opened from, in their order. */
export async function openAddresses(
  fields: Fields,
  sessions: readonly { readonly id: string; readonly ip_sealed: Buffer | null }[],
): Promise<(string | null)[]> {
  const known = sessions.flatMap(({ id, ip_sealed }) => (ip_sealed === null ? [] : [{ id, sealed: ip_sealed }]))
  const opened = await fields.openMany(
    NIL_ORGANIZATION,
    'pii',
    known.map(({ id, sealed }) => ({ place: sessionAddressOf(id), sealed })),
  )
  const byId = new Map(known.map(({ id }, at) => [id, opened[at] as string]))
  return sessions.map(({ id }) => byId.get(id) ?? null)
}

/** The address without an interface's name; null for what is none. */
function ipOf(address: string): string | null {
  try {
    return normalIp(address.replace(/%.*$/, ''))
  } catch {
    return null
  }
}
