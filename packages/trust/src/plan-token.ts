import { z } from 'zod'
import { canonicalSha256 } from './canonical-json.ts'
import { openToken, signCompactJws } from './compact-jws.ts'
import type { KeySet, SigningKey } from './signing-key.ts'
import { checkTimes, fromSeconds, NumericDate, toSeconds } from './token-times.ts'
import { TrustError } from './trust-error.ts'

const TYPE = 'redoubt-plan+jwt'
/** PLAN-1. */
const MAX_LIFETIME_SECONDS = 5 * 60
/** How far the runner's clock may be behind. Expiry itself is never stretched. */
const CLOCK_SKEW_SECONDS = 30

/** Strict: a claim that narrows a plan must not be overlooked by a runner too old to know it. */
const Claims = z.strictObject({
  iss: z.string().min(1).max(500),
  sub: z.uuid(),
  aud: z.string().min(1).max(500),
  iat: NumericDate,
  exp: NumericDate,
  jti: z.uuid(),
  run: z.uuid(),
  plan_sha256: z.string().regex(/^[0-9a-f]{64}$/),
})

export type PlanGrant = {
  readonly issuer: string
  readonly organizationId: string
  readonly runnerId: string
  readonly planId: string
  readonly runId: string
  readonly now: Date
  readonly key: SigningKey
  /** 5 minutes unless given, which is also the most. */
  readonly lifetimeSeconds?: number
}

export type PlanExpectation = {
  readonly issuer: string
  readonly organizationId: string
  readonly runnerId: string
  readonly now: Date
  readonly keys: KeySet
}

/** What a verified plan token says. The runner's journal keeps `planId` until `expiresAt`, for single use. */
export type VerifiedPlan = {
  readonly planId: string
  readonly runId: string
  readonly planSha256: string
  readonly expiresAt: Date
}

/**
 * Signs a plan (PLAN-1): an ES256 JWT over the SHA-256 of the plan's RFC 8785 bytes. Throws `canonical_json`,
 * `token_claims`, `token_lifetime` or `key_invalid`.
 */
export function signPlan(plan: object, grant: PlanGrant): string {
  const lifetime = grant.lifetimeSeconds ?? MAX_LIFETIME_SECONDS
  if (!(lifetime > 0 && lifetime <= MAX_LIFETIME_SECONDS))
    throw new TrustError('token_lifetime', `a plan lives at most ${MAX_LIFETIME_SECONDS} seconds`)
  const iat = toSeconds(grant.now)
  const claims = Claims.safeParse({
    iss: grant.issuer,
    sub: grant.organizationId,
    aud: audienceOf(grant.runnerId),
    iat,
    exp: iat + lifetime,
    jti: grant.planId,
    run: grant.runId,
    plan_sha256: canonicalSha256(plan),
  })
  if (!claims.success) throw new TrustError('token_claims', z.prettifyError(claims.error))
  return signCompactJws(TYPE, claims.data, grant.key)
}

/**
 * Verifies a plan against its token. Throws the `token_…` codes, `plan_hash` or `canonical_json`. Single use is not
 * checked here: refuse a `planId` the journal has seen.
 */
export function verifyPlan(token: string, plan: unknown, expected: PlanExpectation): VerifiedPlan {
  // A plan nobody signed, an access token in its place, a key or algorithm of the sender's choice.
  const claims = openToken(token, expected.keys, TYPE, Claims)
  requireIssuer(claims.iss, expected.issuer)
  requireTenant(claims.sub, expected.organizationId)
  requireRunner(claims.aud, expected.runnerId)
  // A plan kept back and delivered later, when what it was approved for is over.
  checkTimes(claims, {
    now: expected.now,
    earlySeconds: CLOCK_SKEW_SECONDS,
    maxLifetimeSeconds: MAX_LIFETIME_SECONDS,
  })
  requirePlanHash(plan, claims.plan_sha256)
  return { planId: claims.jti, runId: claims.run, planSha256: claims.plan_sha256, expiresAt: fromSeconds(claims.exp) }
}

/** A plan of another installation's control plane. */
function requireIssuer(actual: string, expected: string): void {
  if (actual !== expected) throw new TrustError('token_issuer', 'the plan is from another control plane')
}

/** Another tenant's plan, sent to this tenant's runner. */
function requireTenant(actual: string, expected: string): void {
  if (actual !== expected) throw new TrustError('token_subject', 'the plan is for another organization')
}

/** A plan for another runner of the tenant, which may sit in another network. */
function requireRunner(actual: string, runnerId: string): void {
  if (actual !== audienceOf(runnerId)) throw new TrustError('token_audience', 'the plan is for another runner')
}

/** A signed token with other steps beside it. */
function requirePlanHash(plan: unknown, expected: string): void {
  if (canonicalSha256(plan) !== expected) throw new TrustError('plan_hash', 'the plan is not the one that was signed')
}

const audienceOf = (runnerId: string): string => `runner:${runnerId}`
