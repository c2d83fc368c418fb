import { utf8 } from './bytes.ts'
import { hmacSha256 } from './mac.ts'
import { TrustError } from './trust-error.ts'

/*
 * The value of the `app.context` setting (TEN-2). The database checks the MAC with a key the application roles cannot
 * read, so SQL that runs as one of them cannot become another tenant.
 *
 *   body    = organizationId|userId|role|expiry|backendPid
 *   context = body + 64 lower-case hexadecimal digits of HMAC-SHA-256(key, UTF-8 of body)
 *
 * SQL takes right(context, 64) as the MAC and left(context, -64) as the body.
 */

export type TenantRole = 'admin' | 'moderator' | 'user' | 'viewer'

/**
 * Who acts: a member, a service for one organization, a person about themselves in no organization, or a service across
 * organizations for a named reason.
 */
export type ContextPrincipal =
  | {
      readonly kind: 'user'
      readonly organizationId: string
      readonly userId: string
      readonly role: TenantRole
    }
  | { readonly kind: 'service'; readonly organizationId: string; readonly service: string }
  | { readonly kind: 'self'; readonly userId: string }
  | { readonly kind: 'system'; readonly reason: string }

export type ContextScope = {
  readonly expiresAt: Date
  /** The connection the context is for (`pg_backend_pid()`): copied into another connection it is void. */
  readonly backendPid: number
}

/** No organization: what a system context carries in its place. */
export const NIL_ORGANIZATION = '00000000-0000-0000-0000-000000000000'

const roles: ReadonlySet<string> = new Set<TenantRole>(['admin', 'moderator', 'user', 'viewer'])

/** Seals a database context with a 32-byte key. Throws `context_invalid` for anything that is not exactly of its form. */
export function sealTenantContext(principal: ContextPrincipal, scope: ContextScope, key: Uint8Array): string {
  if (key.length !== 32) throw invalid('the key has 32 bytes')
  const expiry = Math.floor(scope.expiresAt.getTime() / 1000)
  if (!Number.isSafeInteger(expiry) || expiry <= 0) throw invalid('expiresAt is not a time')
  if (!Number.isInteger(scope.backendPid) || scope.backendPid <= 0 || scope.backendPid > 0x7fffffff)
    throw invalid('backendPid is not a process id')
  const body = [...fieldsOf(principal), expiry, scope.backendPid].join('|')
  return body + hmacSha256(key, utf8(body)).toString('hex')
}

/** Each field has a form that cannot contain `|`, which would shift the ones after it. */
function fieldsOf(principal: ContextPrincipal): [organizationId: string, userId: string, role: string] {
  switch (principal.kind) {
    case 'user':
      if (!roles.has(principal.role)) throw invalid('the role of a user is admin, moderator, user or viewer')
      return [organization(principal.organizationId), uuid(principal.userId, 'userId'), principal.role]
    case 'service':
      return [organization(principal.organizationId), `service:${word(principal.service, 'service')}`, 'service']
    case 'self':
      return [NIL_ORGANIZATION, uuid(principal.userId, 'userId'), 'self']
    case 'system':
      return [NIL_ORGANIZATION, `system:${word(principal.reason, 'reason')}`, 'system']
    default:
      throw invalid('the kind of a principal is user, service, self or system')
  }
}

function organization(id: string): string {
  // The nil organization is the system's; a tenant that carried it would be one.
  if (id === NIL_ORGANIZATION) throw invalid('organizationId is the nil UUID')
  return uuid(id, 'organizationId')
}

function uuid(id: string, name: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) throw invalid(`${name} is not a lower-case UUID`)
  return id
}

function word(text: string, name: string): string {
  if (!/^[a-z-]{1,40}$/.test(text)) throw invalid(`${name} has 1 to 40 lower-case letters and hyphens`)
  return text
}

const invalid = (what: string): TrustError => new TrustError('context_invalid', what)
