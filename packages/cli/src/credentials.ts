import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { OrganizationId } from '@redoubt/contract'
import type { Tokens } from '@redoubt/sdk'
import { z } from 'zod'
import { CommandError } from './command-error.ts'
import { withFileLock } from './file-lock.ts'

const lockWaitMs = 45_000

const SignIn = z.object({
  url: z.url(),
  /** Slug. */
  organization: z.string(),
  organizationId: OrganizationId,
  email: z.string(),
  accessToken: z.string(),
  accessExpiresAt: z.iso.datetime(),
  refreshToken: z.string(),
  refreshExpiresAt: z.iso.datetime(),
})
/** One session: a person in one organization of one installation. */
export type SignIn = z.output<typeof SignIn>

const File = z.object({
  format: z.literal('redoubt.credentials/v1'),
  /** Newest use first; the first one is used when nothing else is asked for. */
  signIns: z.array(SignIn).max(200),
})
export type Where = { readonly url: string; readonly organization: string }

/** The sign-ins of one person on this machine, in a file that only they can read. */
export class CredentialStore {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /** Newest first. @throws CommandError when others can read the file, or it is not one of ours */
  read(): readonly SignIn[] {
    let text: string
    try {
      const { mode } = statSync(this.path)
      if ((mode & 0o077) !== 0) {
        throw new CommandError(`${this.path} can be read by others: run chmod 600 ${this.path}, and sign in anew.`)
      }
      text = readFileSync(this.path, 'utf8')
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
      if (cause instanceof CommandError) throw cause
      throw new CommandError(`${this.path} cannot be read: ${(cause as Error).message}.`, { cause })
    }
    try {
      return File.parse(JSON.parse(text)).signIns
    } catch (cause) {
      throw new CommandError(`${this.path} is damaged: remove it and run redoubt login.`, { cause })
    }
  }

  /**
   * Changes the file while no other command can: `change` reads inside, and what it returns is on disk before the lock
   * is given back. A refresh token used twice ends the session, so nothing is refreshed outside.
   */
  async update<T>(
    change: (signIns: readonly SignIn[]) => Promise<{ signIns: readonly SignIn[]; result: T }>,
  ): Promise<T> {
    try {
      mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 })
    } catch (cause) {
      throw new CommandError(`${dirname(this.path)} cannot be made: ${(cause as Error).message}.`, { cause })
    }
    return withFileLock(`${this.path}.lock`, lockWaitMs, () =>
      uninterrupted(async () => {
        const before = this.read()
        const { signIns, result } = await change(before)
        if (signIns !== before) this.#write(signIns)
        return result
      }),
    )
  }

  /** Whole or not at all, also when the machine stops in the middle. */
  #write(signIns: readonly SignIn[]): void {
    const beside = `${this.path}.new`
    const file = openSync(beside, 'w', 0o600)
    try {
      writeSync(file, `${JSON.stringify({ format: 'redoubt.credentials/v1', signIns }, null, 2)}\n`)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(beside, this.path)
  }
}

/** The same sign-in with new tokens. */
export function renewed(signIn: Omit<SignIn, keyof ReturnType<typeof timesOf>>, tokens: Tokens, now: Date): SignIn {
  return { ...signIn, organizationId: tokens.organizationId, ...timesOf(tokens, now) }
}

function timesOf(tokens: Tokens, now: Date) {
  const after = (seconds: number) => new Date(now.getTime() + seconds * 1000).toISOString()
  return {
    accessToken: tokens.accessToken,
    accessExpiresAt: after(tokens.expiresIn),
    refreshToken: tokens.refreshToken,
    refreshExpiresAt: after(tokens.refreshExpiresIn),
  }
}

export const isAt = (signIn: SignIn, { url, organization }: Where): boolean =>
  signIn.url === url && signIn.organization === organization

/** Ctrl-C between the platform's answer and the file would lose the only token that still works: it comes after. */
async function uninterrupted<T>(use: () => Promise<T>): Promise<T> {
  const pending: NodeJS.Signals[] = []
  const hold = (signal: NodeJS.Signals) => void pending.push(signal)
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, hold)
  try {
    return await use()
  } finally {
    for (const signal of signals) process.off(signal, hold)
    const [first] = pending
    if (first) process.kill(process.pid, first)
  }
}
