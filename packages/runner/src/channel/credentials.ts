import type { RunnerTrust } from '@redoubt/contract'
import { CertificateHolder, Secret, TrustError } from '@redoubt/trust'
import type { Logger } from 'pino'
import { StartRefused } from '../config.ts'
import type { Home, Identity } from '../home/home.ts'

/** The runner's certificate, and whom it trusts; in memory for each next connection, and in its home for a restart. */
export type ChannelCredentials = {
  readonly holder: CertificateHolder
  /** Takes over what the control plane says of whom to trust, from this moment on. */
  learn(trust: RunnerTrust): void
}

/** Throws {@link StartRefused} when the home holds no usable certificate and roots. One that has ended is usable. */
export function openCredentials(parts: {
  readonly home: Home
  readonly identity: Identity
  readonly clock: { now(): Date }
  readonly log: Logger
}): ChannelCredentials {
  const { home, clock, log } = parts
  const { trustDomain, organizationId, runnerId } = parts.identity
  let kept = home.credentials()
  if (kept === undefined)
    throw new StartRefused(`identity.json is there but certificate.json is not; restore it, or enrol the runner anew`)
  let denied = new Set(kept.denied)
  const holder = new CertificateHolder({
    spiffeId: { trustDomain, kind: 'runner', organizationId, runnerId },
    rootsPem: kept.rootsPem,
    clock,
    denied: (serial, spiffeId) => denied.has(serial) || denied.has(spiffeId),
  })
  try {
    holder.replace({ ...kept, privateKeyPem: new Secret(kept.privateKeyPem) })
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    log.warn({ reason: error.message }, 'the certificate of the channel is of no use any more; a new one is asked for')
  }
  let saved = JSON.stringify(kept)
  const save = () => {
    const { held } = holder
    kept = {
      certificatePem: held?.certificatePem ?? (kept?.certificatePem as string),
      privateKeyPem: held?.privateKeyPem.reveal() ?? (kept?.privateKeyPem as string),
      rootsPem: holder.rules().roots.map((root) => root.toString()),
      denied: [...denied],
    }
    const text = JSON.stringify(kept)
    if (text === saved) return
    try {
      home.saveCredentials(kept)
      saved = text
    } catch (error) {
      // On a full disk the channel goes on; only a restart would have to ask for a new certificate.
      log.error(
        { reason: error instanceof Error ? error.message : '' },
        'the certificate could not be kept in the home',
      )
    }
  }
  holder.onChange(save)
  return {
    holder,
    learn({ rootsPem, denied: now }) {
      denied = new Set(now)
      const known = holder.rules().roots.map((root) => root.toString())
      if (rootsPem.length === known.length && rootsPem.every((root) => known.includes(root))) return save()
      holder.replaceRoots(rootsPem)
    },
  }
}
