import { createHmac } from 'node:crypto'
import { utf8 } from './bytes.ts'
import { equalInConstantTime } from './mac.ts'
import type { Secret } from './secret.ts'
import { TrustError } from './trust-error.ts'

/* One-time codes: HOTP (RFC 4226) and TOTP (RFC 6238). */

const MIN_SECRET_BYTES = 16
const STEP_SECONDS = 30

/** SHA-1 and 6 digits unless given: what authenticator apps assume, whatever the enrolment says. */
export type OneTimeForm = {
  readonly algorithm?: 'SHA1' | 'SHA256' | 'SHA512'
  readonly digits?: 6 | 8
}

export type TotpExpectation = OneTimeForm & {
  readonly now: Date
  /** The step of the last code accepted for this secret, or null. What answers is to be stored in its place. */
  readonly lastAcceptedStep: number | null
  /** How many steps of 30 s the clocks may differ in either direction; 1 unless given (RFC 6238 §5.2). */
  readonly windowSteps?: number
}

/** The code of one counter (RFC 4226 §5.3). Throws `totp_secret` below 128 bits (§4, R6). */
export function hotp(secret: Secret<Uint8Array>, counter: number, form: OneTimeForm = {}): string {
  const key = secret.reveal()
  if (key.length < MIN_SECRET_BYTES)
    throw new TrustError('totp_secret', `the secret of one-time codes has at least ${MIN_SECRET_BYTES} bytes`)
  const message = Buffer.alloc(8)
  message.writeBigUInt64BE(BigInt(counter))
  const mac = createHmac(form.algorithm ?? 'SHA1', key)
    .update(message)
    .digest()
  const offset = mac.readUInt8(mac.length - 1) & 0xf
  const digits = form.digits ?? 6
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 10 ** digits).padStart(digits, '0')
}

/** The step of 30 s that a moment lies in (RFC 6238 §4.2). */
export const totpStep = (now: Date): number => Math.floor(now.getTime() / (STEP_SECONDS * 1000))

/**
 * Whether `code` is of a step near `now` and later than the last accepted one: a code that was seen over the shoulder, or
 * an older one, opens nothing (§5.2). Answers its step, or null. The step must be stored before the sign-in counts, on
 * the condition that the stored one is still lower: of two sign-ins with one code, one wins. Throws `totp_secret`.
 */
export function verifyTotp(secret: Secret<Uint8Array>, code: string, expected: TotpExpectation): number | null {
  const { now, lastAcceptedStep, windowSteps = 1 } = expected
  const given = utf8(code)
  const current = totpStep(now)
  let accepted: number | null = null
  // All steps are tried, whatever matches: the duration tells nothing about the clock. The latest match is taken, so
  // that a code two steps share is not left for a second use.
  for (let step = Math.max(0, current - windowSteps); step <= current + windowSteps; step++) {
    const matches = equalInConstantTime(utf8(hotp(secret, step, expected)), given)
    if (matches && (lastAcceptedStep === null || step > lastAcceptedStep)) accepted = step
  }
  return accepted
}
