import { readShare, type Secret, type Share, TrustError } from '@redoubt/trust'
import { KeeperError } from './keeper-error.ts'
import type { MasterKey } from './master-key.ts'
import type { Seal } from './open-master.ts'

/** How far an unsealing has come. */
export type SealState = {
  readonly state: 'sealed' | 'open'
  readonly means: Seal['means']
  /** Passphrases or shares. */
  readonly given: number
  readonly needed: number
}
export type SealGift = { readonly passphrase: Secret<string> } | { readonly share: Secret<string> }

/**
 * Takes what people give until the master key opens. A share is looked at as it is typed, so that a typo is told to whoever
 * made it; a set that does not fit is forgotten whole, since nobody knows which of its shares is wrong.
 */
export class Unsealing {
  readonly seal: Seal
  #shares: { readonly text: Secret<string>; readonly index: number }[] = []
  #master: MasterKey | null = null

  constructor(seal: Seal) {
    this.seal = seal
  }

  get state(): SealState {
    const { means, shares } = this.seal
    const needed = shares?.threshold ?? 1
    const isOpen = this.#master !== null
    return { state: isOpen ? 'open' : 'sealed', means, given: isOpen ? needed : this.#shares.length, needed }
  }

  /**
   * @returns the master key as soon as it opens, else null
   * @throws KeeperError `invalid` for another means, a typo or a share that was given before; `master_refuses`
   */
  async give(gift: SealGift): Promise<MasterKey | null> {
    if ('passphrase' in gift) {
      if (this.seal.means !== 'passphrase')
        throw new KeeperError('invalid', `The master key is sealed by shares: ${this.state.needed} of them open it.`)
      this.#master = await this.seal.open(gift)
      return this.#master
    }
    const { shares: set } = this.seal
    if (set === null) throw new KeeperError('invalid', 'The master key is sealed by a passphrase, not by shares.')
    const share = read(gift.share)
    if (share.set !== set.id)
      throw new KeeperError(
        'invalid',
        `This share belongs to set ${share.set}, the master key to set ${set.id}: take the newest paper.`,
      )
    if (this.#shares.some(({ index }) => index === share.index))
      throw new KeeperError('invalid', `Share ${share.index} was given already: each counts once, so give another.`)
    this.#shares.push({ text: gift.share, index: share.index })
    if (this.#shares.length < set.threshold) return null
    const all = this.#shares
    this.#shares = []
    this.#master = await this.seal.open({ shares: all.map(({ text }) => text) })
    return this.#master
  }
}

function read(text: Secret<string>): Share {
  try {
    return readShare(text.reveal())
  } catch (cause) {
    if (!(cause instanceof TrustError)) throw cause
    throw new KeeperError('invalid', `Not taken: ${cause.message}.`, { cause })
  }
}
