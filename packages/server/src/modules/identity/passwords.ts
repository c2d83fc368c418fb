import { hash, verify } from '@node-rs/argon2'
import { dictionary } from '@zxcvbn-ts/language-common'
import { AppError } from '../../platform/app-error.ts'

// AUTH-4. `algorithm: 2` is Argon2id; the library's enum is const and cannot be imported under type stripping.
const argon2id = { algorithm: 2, memoryCost: 65_536, timeCost: 1, parallelism: 4, outputLen: 32 } as const
// 16 hashes at once would take 1 GB; sign-ins beyond this wait their turn, and beyond the queue they are told to.
const atOnce = 2
const waiting = 64

const common = new Set(dictionary['passwords-common'])

/** Hashes and checks passwords with capped memory: at most two at once, at most 64 waiting. */
export class Passwords {
  #running = 0
  readonly #queue: (() => void)[] = []
  #dummy: Promise<string> | undefined

  /** @returns the PHC string */
  hash(password: string): Promise<string> {
    return this.#inTurn(() => hash(password, argon2id))
  }

  /**
   * Checks a password. Without a hash (an account that does not exist) it works as long on a dummy and is false, so that
   * time does not tell who has an account (AUTH-5).
   */
  async matches(password: string, phc: string | null): Promise<boolean> {
    this.#dummy ??= hash('no account has this password', argon2id)
    const against = phc ?? (await this.#dummy)
    const equal = await this.#inTurn(() => verify(against, password))
    return equal && phc !== null
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= atOnce) {
      if (this.#queue.length >= waiting)
        throw new AppError('unavailable', 'Too many people sign in at this moment; try again in a few seconds.', {
          retryAfter: 5,
        })
      await new Promise<void>((turn) => this.#queue.push(turn))
    }
    this.#running++
    try {
      return await work()
    } finally {
      this.#running--
      this.#queue.shift()?.()
    }
  }
}

/**
 * AUTH-8: length counts, composition does not (SP 800-63B-4 §3.1.1.2); common passwords are refused, also with digits or
 * signs around them. @throws AppError bad_request that says what to do
 */
export function requireGoodPassword(password: string, email: string): void {
  const refuse = (message: string): never => {
    throw new AppError('bad_request', message, { fields: [{ path: 'password', message }] })
  }
  const lower = password.toLowerCase()
  const core = lower.replaceAll(/^[^\p{L}]+|[^\p{L}]+$/gu, '')
  if ([...password].length < 12) refuse('Use at least 12 characters; a few unrelated words do well.')
  if (common.has(lower) || common.has(core) || /^(.{1,4})\1+$/u.test(lower))
    refuse('This password is among the first that attackers try; choose another.')
  const [local = ''] = email.split('@')
  if (local.length >= 4 && lower.includes(local.toLowerCase()))
    refuse('The password contains your e-mail address; choose another.')
}
