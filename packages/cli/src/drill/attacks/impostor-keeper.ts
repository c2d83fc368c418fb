import { createAuthority, TrustError } from '@redoubt/trust'
import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { certificateFor, type Shown } from '../channel.ts'
import { askThroughImpostor, type Reacting, type Reply } from '../impostor.ts'
import type { Parts, Terrain } from '../terrain.ts'

/* Somebody in the keeper's place, who answers a service: what would it come to believe? */

const actor = 'internal network'
const needs = ['keeperPort', 'authority'] as const
type Network = Terrain & Pick<Parts, (typeof needs)[number]>

const passOn: Reacting = (pass) => pass()
const serviceCertificate = ({ authority }: Network, name: string): Promise<Shown> =>
  certificateFor(authority, { trustDomain: authority.trustDomain, kind: 'service', name })

/** @param code of what the service makes of it */
const impostor = (
  id: string,
  title: string,
  code: string,
  shown: (t: Network) => Promise<Shown>,
  react: readonly Reacting[],
): AnyAttack =>
  attack({
    id: `impostor.${id}`,
    actor,
    requirement: 'SVC-3',
    title: `in the keeper’s place: ${title}`,
    needs,
    async control(t) {
      const keepers = await serviceCertificate(t, 'keeper')
      if (
        !(await askThroughImpostor(
          t.keeperPort,
          keepers,
          react.map(() => passOn),
        ))
      )
        throw new NotShown('what the keeper answers does not arrive')
      return 'with its stolen certificate, passing everything on: the service believes it'
    },
    async attack(t) {
      try {
        await askThroughImpostor(t.keeperPort, await shown(t), react)
        return 'the service took the answer for the keeper’s'
      } catch (error) {
        const met = reasonOf(error)
        if (met?.code === code) throw new Stopped(`${met.code}: ${met.message}`)
        throw error
      }
    },
  })

function reasonOf(error: unknown): { readonly code: string; readonly message: string } | null {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as { code?: unknown }
    if (at instanceof TrustError || (typeof code === 'string' && /^[A-Z_]+$/.test(code)))
      return { code: String(code), message: at.message }
  }
  return null
}

const thief = (t: Network) => serviceCertificate(t, 'keeper')
let kept: Reply | undefined

export const impostorAttacks: readonly AnyAttack[] = [
  impostor(
    'other-service',
    'with the certificate of a service that was taken over',
    'certificate_id',
    (t) => serviceCertificate(t, 'ingestion'),
    [passOn],
  ),
  impostor(
    'other-authority',
    'with a certificate by an authority of one’s own',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    async ({ authority }) => {
      const { trustDomain } = authority
      const own = await createAuthority({ trustDomain, now: new Date(Date.now() - 60_000), validityMs: 86_400_000 })
      return certificateFor(own, { trustDomain, kind: 'service', name: 'keeper' })
    },
    [passOn],
  ),
  impostor('unsigned', 'with its stolen certificate, answer without a signature', 'http_signature_malformed', thief, [
    async (pass) => ({ ...(await pass()), headers: {} }),
  ]),
  impostor(
    'roots',
    'with its stolen certificate, name an authority of one’s own as trusted',
    'http_signature_digest',
    thief,
    [async (pass) => ({ ...(await pass()), body: JSON.stringify({ rootsPem: ['mine'], denied: [] }) })],
  ),
  impostor(
    'status',
    'with its stolen certificate, turn the answer into another status',
    'http_signature_answer',
    thief,
    [async (pass) => ({ ...(await pass()), status: 403 })],
  ),
  impostor(
    'exchanged',
    'with its stolen certificate, give an answer to an earlier question',
    'http_signature_answer',
    thief,
    [
      async (pass) => {
        kept = await pass()
        return kept
      },
      async (pass) => kept ?? pass(),
    ],
  ),
]
