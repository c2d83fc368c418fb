import type { Secret } from '@redoubt/trust'
import type * as Pkcs11 from 'pkcs11js'
import { KeeperError } from './keeper-error.ts'

/*
 * A logged-in session with one token of a PKCS#11 module (OASIS PKCS #11 v2.40), that comes back after the token was away:
 *
 *   apart ── use ──▶ logged in ── token lost, module finalized ──▶ apart
 *   logged in or apart ── PIN refused ──▶ refused, for good
 *
 * Calls are synchronous and therefore never interleave on the session.
 */

export type Pkcs11Options = {
  /** The module's shared library, such as /usr/lib/softhsm/libsofthsm2.so. */
  readonly module: string
  readonly tokenLabel: string
  readonly keyLabel: string
  readonly pin: Secret<string>
}
export type Pkcs11Binding = typeof Pkcs11
export type TokenSession = {
  readonly binding: Pkcs11Binding
  readonly pkcs11: Pkcs11.PKCS11
  readonly slot: Buffer
  readonly handle: Buffer
}

/** Loads the optional native binding. @throws KeeperError `master_unavailable` that says how to get it */
export async function loadPkcs11(
  load: () => Promise<{ default: Pkcs11Binding }> = () => import('pkcs11js') as Promise<{ default: Pkcs11Binding }>,
): Promise<Pkcs11Binding> {
  try {
    return (await load()).default
  } catch (cause) {
    throw new KeeperError(
      'master_unavailable',
      'The HSM binding is not installed: run "npm install pkcs11js" with a C++ compiler at hand, or choose another master key.',
      { cause },
    )
  }
}

// What says that the session, the token or the module is gone, and not that the request was wrong. SoftHSM answers
// CKR_GENERAL_ERROR when its token was removed, but also when it unwraps what was altered.
const lost = new Set([
  'CKR_CRYPTOKI_NOT_INITIALIZED',
  'CKR_DEVICE_ERROR',
  'CKR_DEVICE_REMOVED',
  'CKR_GENERAL_ERROR',
  'CKR_KEY_HANDLE_INVALID',
  'CKR_OBJECT_HANDLE_INVALID',
  'CKR_SESSION_CLOSED',
  'CKR_SESSION_HANDLE_INVALID',
  'CKR_SLOT_ID_INVALID',
  'CKR_TOKEN_NOT_PRESENT',
  'CKR_TOKEN_NOT_RECOGNIZED',
  'CKR_UNWRAPPING_KEY_HANDLE_INVALID',
  'CKR_USER_NOT_LOGGED_IN',
  'CKR_WRAPPING_KEY_HANDLE_INVALID',
])
const pinRefusals = new Set([
  'CKR_PIN_EXPIRED',
  'CKR_PIN_INCORRECT',
  'CKR_PIN_INVALID',
  'CKR_PIN_LEN_RANGE',
  'CKR_PIN_LOCKED',
  'CKR_USER_PIN_NOT_INITIALIZED',
])
// A token locks after a few wrong PINs, and then only its security officer opens it. One that was refused is not sent
// again, however often a start is tried in this process.
const refusedPins = new WeakSet<Secret<string>>()

/** A module is loaded and initialized once per process, whoever uses it (PKCS #11 §5.4). */
class Library {
  static readonly #loaded = new Map<string, Library>()
  readonly path: string
  readonly pkcs11: Pkcs11.PKCS11
  /** Counts restarts: handles of an earlier one may name other objects now. */
  generation = 0
  #users = 0

  private constructor(binding: Pkcs11Binding, path: string) {
    this.path = path
    this.pkcs11 = new binding.PKCS11()
    try {
      this.pkcs11.load(path)
    } catch (cause) {
      const message = `${path} cannot be loaded as a PKCS#11 module: install the token's driver or mend the path.`
      throw new KeeperError('master_unavailable', message, { cause })
    }
  }

  static join(binding: Pkcs11Binding, path: string): Library {
    const library = Library.#loaded.get(path) ?? new Library(binding, path)
    library.#initialize()
    Library.#loaded.set(path, library)
    library.#users += 1
    return library
  }

  /** Looks for tokens anew: many modules read their slots only when they are initialized. */
  restart(): void {
    this.generation += 1
    this.#finalize()
    this.#initialize()
  }

  leave(): void {
    this.#users -= 1
    if (this.#users > 0) return
    Library.#loaded.delete(this.path)
    this.#finalize()
    this.pkcs11.close()
  }

  #initialize(): void {
    try {
      this.pkcs11.C_Initialize()
    } catch (error) {
      if (codeOf(error) !== 'CKR_CRYPTOKI_ALREADY_INITIALIZED') throw unavailable(this.path, error)
    }
  }

  #finalize(): void {
    try {
      this.pkcs11.C_Finalize()
    } catch (error) {
      if (codeOf(error) !== 'CKR_CRYPTOKI_NOT_INITIALIZED') throw unavailable(this.path, error)
    }
  }
}

export class Pkcs11Token {
  readonly #binding: Pkcs11Binding
  readonly #options: Pkcs11Options
  readonly #library: Library
  #session: (TokenSession & { readonly generation: number }) | null = null
  #closed = false

  /** @throws KeeperError `master_unavailable` when the module cannot be loaded */
  constructor(binding: Pkcs11Binding, options: Pkcs11Options) {
    this.#binding = binding
    this.#options = options
    this.#library = Library.join(binding, options.module)
  }

  /**
   * Works with a logged-in session; once more with a new one when the token was away in between.
   * @param work is told when no further try follows
   * @throws KeeperError `master_unavailable` when the token is not there, `master_refuses` when it refuses the PIN
   */
  use<T>(work: (session: TokenSession, isLastTry: boolean) => T): T {
    if (this.#closed) throw new KeeperError('master_unavailable', 'The session with the token was closed.')
    try {
      return work(this.#connected(), false)
    } catch (error) {
      // A key that is missing may be on the token that was here before.
      const isAway = error instanceof KeeperError && error.code === 'master_unavailable'
      if (!isAway && !lost.has(codeOf(error))) throw this.#explained(error)
    }
    this.#disconnect()
    try {
      return work(this.#connected(), true)
    } catch (error) {
      throw this.#explained(error)
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#disconnect()
    this.#library.leave()
  }

  #connected(): TokenSession {
    if (this.#session?.generation === this.#library.generation) return this.#session
    let slot = this.#findSlot()
    if (slot === null) {
      this.#library.restart()
      slot = this.#findSlot()
    }
    const { tokenLabel, module } = this.#options
    if (slot === null)
      throw new KeeperError(
        'master_unavailable',
        `No token "${tokenLabel}" at ${module}: plug it in or mend its label.`,
      )
    const { pkcs11 } = this.#library
    const flags = this.#binding.CKF_SERIAL_SESSION | this.#binding.CKF_RW_SESSION
    const handle = pkcs11.C_OpenSession(slot, flags)
    try {
      this.#logIn(handle)
    } catch (error) {
      pkcs11.C_CloseSession(handle)
      throw error
    }
    this.#session = { binding: this.#binding, pkcs11, slot, handle, generation: this.#library.generation }
    return this.#session
  }

  #findSlot(): Buffer | null {
    const { pkcs11 } = this.#library
    const { tokenLabel, module } = this.#options
    const labelled = (slot: Buffer) => {
      try {
        return pkcs11.C_GetTokenInfo(slot).label.trim() === tokenLabel
      } catch {
        // A slot whose token was taken out.
        return false
      }
    }
    let slots: Buffer[]
    try {
      slots = pkcs11.C_GetSlotList(true).filter(labelled)
    } catch (error) {
      if (lost.has(codeOf(error))) return null
      throw error
    }
    if (slots.length > 1)
      throw new KeeperError(
        'invalid',
        `${slots.length} tokens at ${module} have the label "${tokenLabel}": rename one.`,
      )
    return slots[0] ?? null
  }

  #logIn(handle: Buffer): void {
    const { pin, tokenLabel } = this.#options
    const refusal = `The token "${tokenLabel}" refuses its PIN. It is not tried again, since a token locks after a few wrong ones: set the right PIN and start again.`
    if (refusedPins.has(pin)) throw new KeeperError('master_refuses', refusal)
    try {
      this.#library.pkcs11.C_Login(handle, this.#binding.CKU_USER, pin.reveal())
    } catch (error) {
      const code = codeOf(error)
      // The login belongs to the application, not to the session (PKCS #11 §2.6.1).
      if (code === 'CKR_USER_ALREADY_LOGGED_IN') return
      if (!pinRefusals.has(code)) throw error
      refusedPins.add(pin)
      throw new KeeperError('master_refuses', `${refusal} (${code})`, { cause: error })
    }
  }

  #disconnect(): void {
    const session = this.#session
    this.#session = null
    // A handle from before a restart may be somebody else's by now.
    if (session === null || session.generation !== this.#library.generation) return
    try {
      session.pkcs11.C_CloseSession(session.handle)
    } catch {
      // It went with its token.
    }
  }

  #explained(error: unknown): unknown {
    return codeOf(error) === '' ? error : unavailable(`token "${this.#options.tokenLabel}"`, error)
  }
}

/** The CKR_ name of a token's answer, or '' when the error is none. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && error.message.startsWith('CKR_') ? error.message : ''

const unavailable = (what: string, cause: unknown) =>
  new KeeperError('master_unavailable', `The ${what} answered ${codeOf(cause) || 'with an unknown error'}.`, { cause })
