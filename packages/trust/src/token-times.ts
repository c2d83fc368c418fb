import { z } from 'zod'
import { TrustError } from './trust-error.ts'

/** NumericDate of RFC 7519 §2, whole seconds. */
export const NumericDate = z.int().min(0).max(253_402_300_799)

export const toSeconds = (time: Date): number => Math.floor(time.getTime() / 1000)
export const fromSeconds = (seconds: number): Date => new Date(seconds * 1000)

export type Times = { readonly iat: number; readonly exp: number; readonly nbf?: number | undefined }
export type TimeRules = {
  readonly now: Date
  /** How long after `exp` a token still counts. */
  readonly lateSeconds?: number
  /** How far in the future `iat` and `nbf` may lie, for a clock that is behind. */
  readonly earlySeconds?: number
  readonly maxLifetimeSeconds?: number
}

/** RFC 7519 §4.1.4 to §4.1.6. Throws `token_expired`, `token_not_yet_valid` or `token_lifetime`. */
export function checkTimes({ iat, exp, nbf }: Times, rules: TimeRules): void {
  const now = rules.now.getTime() / 1000
  // An invalid Date compares false with everything and would let every token through.
  if (Number.isNaN(now)) throw new TrustError('token_expired', 'the present time is not known')
  if (now >= exp + (rules.lateSeconds ?? 0)) throw new TrustError('token_expired', 'the token has expired')
  if (Math.max(iat, nbf ?? 0) > now + (rules.earlySeconds ?? 0))
    throw new TrustError('token_not_yet_valid', 'the token is not valid yet; compare the clocks')
  if (exp <= iat || exp - iat > (rules.maxLifetimeSeconds ?? Number.POSITIVE_INFINITY))
    throw new TrustError('token_lifetime', 'the token lives longer than its kind may')
}
