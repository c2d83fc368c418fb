import { Secret } from '@redoubt/trust'
import { z } from 'zod'
import type { Config } from '../platform/config.ts'
import type { AuditRecord } from '../platform/work.ts'
import { parse } from './admin-input.ts'
import type { AdminHandlers } from './admin-socket.ts'
import type { Keeper } from './keeper.ts'
import { KeeperError } from './keeper-error.ts'
import { FileMasterKey, type PreparedProtection, prepareProtection, readMasterFile } from './master-file.ts'
import type { Protection } from './master-protection.ts'

const Wanted = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('plain') }),
  z.strictObject({ kind: z.literal('passphrase'), passphrase: z.string().min(1).max(1024) }),
  z.strictObject({ kind: z.literal('shares'), threshold: z.int(), count: z.int() }),
])
/** One of the new shares as it was written down. */
const Proof = z.strictObject({ share: z.string().max(1024).nullable() })

/** How the master file is protected, and changing it in two steps: shares are seen before anything depends on them. */
export function protectionHandlers(
  keeper: Keeper,
  { home }: Pick<Config, 'home'>,
  done: (kind: Protection['kind']) => void,
) {
  let prepared: (PreparedProtection & { readonly kind: Protection['kind'] }) | null = null
  return {
    'master.protection': async () => {
      if (!(keeper.master instanceof FileMasterKey)) return { kind: null, threshold: null, count: null }
      const file = await readMasterFile(home)
      const { threshold = null, count = null } = file?.shares ?? {}
      return { kind: file?.protection ?? 'plain', threshold, count }
    },
    async 'master.prepare'(input: unknown) {
      const { master } = keeper
      if (!(master instanceof FileMasterKey))
        throw new KeeperError('invalid', `The master key is ${master.provider}’s: that is where it is protected.`)
      const wanted = parse(Wanted, input)
      const protection: Protection =
        wanted.kind === 'passphrase' ? { ...wanted, passphrase: new Secret(wanted.passphrase) } : wanted
      prepared = { kind: wanted.kind, ...(await prepareProtection(home, master, protection)) }
      return { shares: prepared.shares.map((share) => share.reveal()) }
    },
    async 'master.commit'(input: unknown) {
      const { share } = parse(Proof, input)
      if (!prepared) throw new KeeperError('invalid', 'No protection was prepared.')
      const { kind, shares, commit } = prepared
      const typed = share?.replaceAll(/\s/g, '').toLowerCase()
      if (shares.length > 0 && !shares.some((each) => each.reveal() === typed))
        throw new KeeperError('invalid', 'This is none of the new shares: compare it with the paper, letter by letter.')
      prepared = null
      await commit()
      done(kind)
      return { kind }
    },
  } satisfies AdminHandlers
}

/** For the audit log. */
export const protectionChanged = (kind: Protection['kind']): AuditRecord => ({
  action: 'key.protected',
  target: { kind: 'key', id: 'master' },
  facts: { protection: kind, by: 'operator of the machine' },
})
