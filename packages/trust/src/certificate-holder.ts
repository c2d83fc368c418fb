import { createPrivateKey, type X509Certificate } from 'node:crypto'
import type { Secret } from './secret.ts'
import { formatSpiffeId, type SpiffeId } from './spiffe-id.ts'
import { type PeerRules, readCertificate, readRoots, type VerifiedSvid, verifySvid } from './svid.ts'
import { TrustError } from './trust-error.ts'

/** What the authority's answer and the key made here come to. */
export type Svid = {
  readonly certificatePem: string
  readonly privateKeyPem: Secret<string>
  /** The roots to trust from now on; during a rotation of the authority the old and the new one. */
  readonly rootsPem: readonly string[]
}

export type HeldSvid = VerifiedSvid & { readonly certificatePem: string; readonly privateKeyPem: Secret<string> }

/**
 * What a process proves itself with and whom it trusts, in memory. Everything that opens or accepts a connection reads it
 * at that moment, so that a renewed certificate serves the next connection and drops none.
 */
export class CertificateHolder {
  /** Whose certificates this holder takes. */
  readonly spiffeId: SpiffeId
  readonly #clock: { now(): Date }
  readonly #denied: PeerRules['denied']
  readonly #listeners = new Set<() => void>()
  #roots: readonly X509Certificate[]
  #held: HeldSvid | null = null

  /**
   * A holder without a certificate yet; it can already verify others.
   * @throws TrustError `certificate_authority` for roots that are none, `spiffe_id`
   */
  constructor(options: {
    readonly spiffeId: SpiffeId
    readonly rootsPem: readonly string[]
    readonly clock: { now(): Date }
    readonly denied: PeerRules['denied']
  }) {
    formatSpiffeId(options.spiffeId)
    this.spiffeId = options.spiffeId
    this.#clock = options.clock
    this.#denied = options.denied
    this.#roots = readRoots(options.rootsPem)
  }

  /** The certificate in use, which may have ended; null before the first one. */
  get held(): HeldSvid | null {
    return this.#held
  }

  /** What a peer is measured by at this moment. */
  rules(): PeerRules {
    const { trustDomain } = this.spiffeId
    return { trustDomain, roots: this.#roots, now: this.#clock.now(), denied: this.#denied }
  }

  /**
   * Takes a new certificate and its roots into use, or throws and goes on with the old ones: `certificate_key` when the
   * key is not the certificate's, `certificate_id` when it is somebody else's, and as {@link verifySvid}.
   */
  replace({ certificatePem, privateKeyPem, rootsPem }: Svid): HeldSvid {
    const roots = readRoots(rootsPem)
    const leaf = readCertificate(certificatePem)
    const verified = verifySvid(leaf, { ...this.rules(), roots })
    const [mine, theirs] = [formatSpiffeId(this.spiffeId), formatSpiffeId(verified.spiffeId)]
    if (theirs !== mine) throw new TrustError('certificate_id', `the certificate is of ${theirs}, not of ${mine}`)
    if (!leaf.checkPrivateKey(createPrivateKey(privateKeyPem.reveal())))
      throw new TrustError('certificate_key', 'the private key is not the one of the certificate')
    this.#roots = roots
    this.#held = { ...verified, certificatePem: leaf.toString(), privateKeyPem }
    for (const listener of this.#listeners) listener()
    return this.#held
  }

  /** Trusts other roots, as when the authority is rotated. @throws TrustError `certificate_authority` */
  replaceRoots(rootsPem: readonly string[]): void {
    this.#roots = readRoots(rootsPem)
    for (const listener of this.#listeners) listener()
  }

  /** Calls back after each replacement. @returns how to stop that */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
