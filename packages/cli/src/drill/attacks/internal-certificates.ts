import { connect as connectPlain } from 'node:net'
import { createAuthority } from '@redoubt/trust'
import { type AnyAttack, attack, Stopped } from '../attack.ts'
import { certificateFor, type Shown, showing } from '../channel.ts'
import { forgedCertificate } from '../forged-certificate.ts'
import { isSuccess, passed, refusalOf, refused } from '../http.ts'
import { actor, type Network, needs, ownPassword, rightful, sentWhole, speaking } from '../keeper-requests.ts'

/* Connections to the keeper's port that prove nobody, or somebody else (SVC-4, NET-2). */

const slowOnes = 60
const spiffe = ({ authority }: Network, path: string, domain = authority.trustDomain) => `spiffe://${domain}/${path}`

/** web's stolen key, behind another certificate than web's. */
const behind = (
  id: string,
  title: string,
  certificate: (t: Network) => Promise<Shown | null> | Shown | null,
): AnyAttack =>
  attack({
    id: `network.${id}`,
    actor,
    requirement: 'SVC-4',
    title: `with a service’s stolen key: ${title}`,
    needs,
    async control(t) {
      // Written by the same hand as the forgeries, and signed by the true authority.
      const right = forgedCertificate(t.authority, { uris: [spiffe(t, 'service/web')] })
      const by = { service: 'web', shown: right, key: await t.keeperPort.keyOf('web') }
      return passed(await t.keeperPort.send(by, rightful(t, by)), 'behind a right certificate')
    },
    async attack(t) {
      const by = { service: 'web', shown: await certificate(t), key: await t.keeperPort.keyOf('web') }
      return refused(await t.keeperPort.send(by, rightful(t, by)), 'certificate_id')
    },
  })

export const internalCertificateAttacks: readonly AnyAttack[] = [
  behind('no-certificate', 'no certificate', () => null),
  behind('self-signed', 'a self-signed certificate', (t) =>
    forgedCertificate(null, { uris: [spiffe(t, 'service/web')] }),
  ),
  behind('other-authority', 'a certificate by an authority of one’s own', async (t) => {
    const { trustDomain } = t.authority
    const own = await createAuthority({ trustDomain, now: new Date(Date.now() - 60_000), validityMs: 86_400_000 })
    return certificateFor(own, { trustDomain, kind: 'service', name: 'web' })
  }),
  behind('expired', 'a certificate that ended a minute ago', (t) =>
    forgedCertificate(t.authority, { uris: [spiffe(t, 'service/web')], notAfter: new Date(Date.now() - 60_000) }),
  ),
  behind('leaf-as-authority', 'a certificate that another service’s certificate signed', async (t) => {
    const { trustDomain } = t.authority
    const leaf = await certificateFor(t.authority, { trustDomain, kind: 'service', name: 'ingestion' })
    const forged = forgedCertificate(leaf, { uris: [spiffe(t, 'service/web')] })
    return { ...forged, certificatePem: forged.certificatePem + leaf.certificatePem }
  }),
  behind('authority-as-leaf', 'a certificate that is an authority too', (t) =>
    forgedCertificate(t.authority, { uris: [spiffe(t, 'service/web')], isAuthority: true }),
  ),
  behind('two-names', 'a certificate with two names, each reader’s own', (t) =>
    forgedCertificate(t.authority, { uris: [spiffe(t, 'service/web'), spiffe(t, 'service/api')] }),
  ),
  behind('other-domain', 'a certificate of another trust domain', (t) =>
    forgedCertificate(t.authority, { uris: [spiffe(t, 'service/web', 'redoubt.example')] }),
  ),
  behind('other-spelling', 'a name that is spelled otherwise', (t) =>
    forgedCertificate(t.authority, { uris: [`${spiffe(t, 'service')}/./web`] }),
  ),
  behind('runner', 'the certificate of a runner', (t) => t.runnerKeys.b.shown),

  speaking('plain', 'NET-2', 'speak plain HTTP to the keeper', /ECONNRESET|HPE_|socket hang up|EPIPE/, async (port) => {
    const by = await port.taken('web')
    return port.send(by, port.message(by, 'secret.read', ownPassword), port.url.replace('https:', 'http:'))
  }),
  speaking('downgrade', 'NET-2', 'make the keeper speak TLS 1.2', /ALERT_PROTOCOL_VERSION|EPROTO/, async (port) => {
    const by = await port.taken('web')
    const old = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const
    return showing(port.url, by.shown, old).send(port.message(by, 'secret.read', ownPassword))
  }),

  attack({
    id: 'network.slow',
    actor,
    requirement: 'SVC-4',
    title: 'hold the keeper up with connections that never say who they are',
    needs,
    control: sentWhole,
    async attack(t) {
      const { hostname: host, port } = new URL(t.keeperPort.url)
      const opened = Array.from({ length: slowOnes }, () => connectPlain({ host, port: Number(port) }))
      try {
        for (const socket of opened) socket.on('error', () => undefined)
        await Promise.all(opened.map((socket) => new Promise((done) => socket.once('connect', done))))
        const began = performance.now()
        const by = await t.keeperPort.taken('web')
        const answer = await t.keeperPort.send(by, rightful(t, by))
        if (!isSuccess(answer)) return `with ${slowOnes} of them it answered ${refusalOf(answer)}`
        throw new Stopped(
          `with ${slowOnes} of them a service is answered in ${Math.round(performance.now() - began)} ms`,
        )
      } finally {
        for (const socket of opened) socket.destroy()
      }
    },
  }),
]
