import { z } from 'zod'
import { openToken, signCompactJws } from './compact-jws.ts'
import type { KeySet, SigningKey } from './signing-key.ts'
import { checkTimes, NumericDate, toSeconds } from './token-times.ts'
import { TrustError } from './trust-error.ts'

const TYPE = 'at+jwt'
const DEFAULT_LIFETIME_SECONDS = 15 * 60

/** SESS-3: identifiers are UUIDs, so that no e-mail address or name can travel in a token. */
const Claims = z.object({
  iss: z.string().min(1).max(500),
  aud: z.string().min(1).max(500),
  /** The user. */
  sub: z.uuid(),
  /** The session. */
  sid: z.uuid(),
  /** The organization the session works in. */
  org: z.uuid(),
  iat: NumericDate,
  exp: NumericDate,
  nbf: NumericDate.optional(),
  jti: z.uuid(),
})
/** The claims of an access token, times in seconds since 1970. */
export type AccessClaims = z.output<typeof Claims>

export type AccessGrant = {
  readonly issuer: string
  readonly audience: string
  readonly userId: string
  readonly sessionId: string
  readonly organizationId: string
  readonly tokenId: string
  readonly now: Date
  /** 15 minutes unless given. */
  readonly lifetimeSeconds?: number
}

export type AccessExpectation = {
  readonly issuer: string
  readonly audience: string
  readonly now: Date
  /** Seconds the clocks may differ; 0 unless given. */
  readonly toleranceSeconds?: number
}

/**
 * Signs an ES256 access token of type `at+jwt` (RFC 9068 §2.1). Throws `token_claims` when an identifier is no UUID,
 * `token_too_large` past 8 KB, `key_invalid` for a key other than ES256.
 */
export function signAccessToken(grant: AccessGrant, key: SigningKey): string {
  const iat = toSeconds(grant.now)
  const claims = Claims.safeParse({
    iss: grant.issuer,
    aud: grant.audience,
    sub: grant.userId,
    sid: grant.sessionId,
    org: grant.organizationId,
    iat,
    exp: iat + (grant.lifetimeSeconds ?? DEFAULT_LIFETIME_SECONDS),
    jti: grant.tokenId,
  })
  if (!claims.success) throw new TrustError('token_claims', z.prettifyError(claims.error))
  return signCompactJws(TYPE, claims.data, key)
}

/**
 * Verifies an access token and answers its claims; synchronous, without I/O. Claims this version does not know are
 * passed over (RFC 7519 §4). Throws the `token_…` codes.
 */
export function verifyAccessToken(token: string, keys: KeySet, expected: AccessExpectation): AccessClaims {
  const claims = openToken(token, keys, TYPE, Claims)
  // A token of another installation that happens to share a key.
  if (claims.iss !== expected.issuer) throw new TrustError('token_issuer', 'the token is from another issuer')
  // A token meant for another service, presented here by whoever received it.
  if (claims.aud !== expected.audience) throw new TrustError('token_audience', 'the token is for another audience')
  const tolerance = expected.toleranceSeconds ?? 0
  checkTimes(claims, { now: expected.now, lateSeconds: tolerance, earlySeconds: tolerance })
  return claims
}
