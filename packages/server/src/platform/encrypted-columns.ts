import { type DataClass, type FieldPlace, type IndexedColumn, NIL_ORGANIZATION } from '@redoubt/trust'

/*
 * Every column whose values are sealed one by one (KEY-2, docs/decisions/0016). `Fields` seals for these places alone, and
 * re-encryption walks these columns alone: a column that is missing here cannot be sealed, so that the end of a key version
 * never takes a value along that nobody knew of.
 */

/** What a column's keys belong to: an organization, or the installation for what belongs to no single tenant. */
export type ColumnScope = 'installation' | 'organization'

export type EncryptedColumn = {
  readonly table: 'users' | 'invitations' | 'sessions' | 'sources'
  /** What is sealed, as the associated data names it. */
  readonly column: string
  readonly dataClass: DataClass
  readonly scope: ColumnScope
  /** Where the sealed value lies. */
  readonly sealed: string
  /** Where its blind index lies; null for what is never searched. */
  readonly index: string | null
}

/** A place that the registry knows, with the class its key belongs to. Made by {@link placeOf} alone. */
export type EncryptedPlace = FieldPlace & { readonly dataClass: DataClass; readonly [registered]: true }
declare const registered: unique symbol

/** Accounts and sessions belong to no tenant: one person may be a member of several. */
export const accountEmail = {
  table: 'users',
  column: 'email',
  dataClass: 'pii',
  scope: 'installation',
  sealed: 'email_sealed',
  index: 'email_index',
} as const satisfies EncryptedColumn

export const sessionAddress = {
  table: 'sessions',
  column: 'ip',
  dataClass: 'pii',
  scope: 'installation',
  sealed: 'ip_sealed',
  index: null,
} as const satisfies EncryptedColumn

export const invitationEmail = {
  table: 'invitations',
  column: 'email',
  dataClass: 'pii',
  scope: 'organization',
  sealed: 'email_sealed',
  index: 'email_index',
} as const satisfies EncryptedColumn

export const webhookSecret = {
  table: 'sources',
  column: 'webhook_secret',
  dataClass: 'integration',
  scope: 'organization',
  sealed: 'webhook_secret',
  index: null,
} as const satisfies EncryptedColumn

export const encryptedColumns: readonly EncryptedColumn[] = [
  accountEmail,
  sessionAddress,
  invitationEmail,
  webhookSecret,
]

/** @param owner the organization of a column of organizations; the nil UUID for the installation's */
export const placeOf = (column: EncryptedColumn, owner: string, row: string): EncryptedPlace =>
  ({
    organizationId: ownerOf(column, owner),
    table: column.table,
    column: column.column,
    row,
    dataClass: column.dataClass,
  }) as unknown as EncryptedPlace

/** The column whose blind index is asked for. @throws Error for one that has none */
export function indexOf(column: EncryptedColumn, owner: string): IndexedColumn {
  if (column.index === null) throw new Error(`${column.table}.${column.column} has no blind index`)
  return { organizationId: ownerOf(column, owner), table: column.table, column: column.column }
}

export const accountEmailOf = (userId: string): EncryptedPlace => placeOf(accountEmail, NIL_ORGANIZATION, userId)
export const sessionAddressOf = (sessionId: string): EncryptedPlace =>
  placeOf(sessionAddress, NIL_ORGANIZATION, sessionId)
export const invitationEmailOf = (organizationId: string, invitationId: string): EncryptedPlace =>
  placeOf(invitationEmail, organizationId, invitationId)
export const webhookSecretOf = (organizationId: string, sourceId: string): EncryptedPlace =>
  placeOf(webhookSecret, organizationId, sourceId)

function ownerOf({ table, column, scope }: EncryptedColumn, owner: string): string {
  // A value under the keys of the wrong owner would be missed when those keys rotate.
  if ((owner === NIL_ORGANIZATION) !== (scope === 'installation'))
    throw new Error(`the keys of ${table}.${column} belong to the ${scope}`)
  return owner
}
