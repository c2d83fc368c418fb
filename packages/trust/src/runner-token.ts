import { createHash } from 'node:crypto'
import { z } from 'zod'
import { openToken, signCompactJws } from './compact-jws.ts'
import type { KeySet, SigningKey } from './signing-key.ts'
import { checkTimes, fromSeconds, NumericDate, toSeconds } from './token-times.ts'
import { TrustError } from './trust-error.ts'

const TYPE = 'redoubt-runner+jwt'
const AUDIENCE = 'redoubt-control-plane'
const LIFETIME_SECONDS = 60
/** How far the control plane's clock may be behind the runner's. Expiry itself is never stretched. */
const CLOCK_SKEW_SECONDS = 30

const Claims = z.strictObject({
  iss: z.uuid(),
  sub: z.uuid(),
  aud: z.literal(AUDIENCE),
  iat: NumericDate,
  exp: NumericDate,
  jti: z.uuid(),
  body_sha256: z.string().regex(/^[0-9a-f]{64}$/),
})

export type RunnerGrant = {
  readonly runnerId: string
  readonly organizationId: string
  readonly tokenId: string
  /** The bytes of the request body, exactly as sent; empty for a request without one. */
  readonly body: Uint8Array
  readonly now: Date
}

export type RunnerExpectation = {
  /** The runner and organization the key belongs to, by the control plane's own records. */
  readonly runnerId: string
  readonly organizationId: string
  readonly body: Uint8Array
  readonly now: Date
  readonly keys: KeySet
}

/** What a verified runner token says; `tokenId` is refused a second time until `expiresAt`. */
export type VerifiedRunner = {
  readonly runnerId: string
  readonly organizationId: string
  readonly tokenId: string
  readonly expiresAt: Date
}

/** Signs one request of a runner to the control plane; valid for 60 seconds. Throws `token_claims` or `key_invalid`. */
export function signRunnerToken(grant: RunnerGrant, key: SigningKey): string {
  const iat = toSeconds(grant.now)
  const claims = Claims.safeParse({
    iss: grant.runnerId,
    sub: grant.organizationId,
    aud: AUDIENCE,
    iat,
    exp: iat + LIFETIME_SECONDS,
    jti: grant.tokenId,
    body_sha256: sha256Hex(grant.body),
  })
  if (!claims.success) throw new TrustError('token_claims', z.prettifyError(claims.error))
  return signCompactJws(TYPE, claims.data, key)
}

/**
 * Verifies a runner's request. `readKeyId` tells which key, and so which runner, to look up first. Throws the
 * `token_…` codes or `request_body`.
 */
export function verifyRunnerToken(token: string, expected: RunnerExpectation): VerifiedRunner {
  const claims = openToken(token, expected.keys, TYPE, Claims)
  // A runner that signs with its own key in the name of another one.
  if (claims.iss !== expected.runnerId) throw new TrustError('token_issuer', 'the key belongs to another runner')
  if (claims.sub !== expected.organizationId) throw new TrustError('token_subject', 'the runner is of another tenant')
  checkTimes(claims, { now: expected.now, earlySeconds: CLOCK_SKEW_SECONDS, maxLifetimeSeconds: LIFETIME_SECONDS })
  // A genuine token taken from the wire and put before another report.
  if (claims.body_sha256 !== sha256Hex(expected.body))
    throw new TrustError('request_body', 'the body is not the one that was signed')
  return {
    runnerId: claims.iss,
    organizationId: claims.sub,
    tokenId: claims.jti,
    expiresAt: fromSeconds(claims.exp),
  }
}

const sha256Hex = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
