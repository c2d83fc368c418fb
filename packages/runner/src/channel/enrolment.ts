import { setTimeout as sleep } from 'node:timers/promises'
import { ROOTS_PATH, Roots, runners } from '@redoubt/contract'
import {
  CertificateHolder,
  createCertificateRequest,
  NIL_ORGANIZATION,
  type PinnedAuthority,
  parseEnrolmentToken,
  pinnedAuthority,
  type SigningKey,
  TrustError,
} from '@redoubt/trust'
import type { Logger } from 'pino'
import type { Credentials, Enrolment, Home, Identity } from '../home/home.ts'
import { ControlPlaneRefused, ControlPlaneUnavailable, exchange, mutualAgent, unverifiedAgent } from './exchange.ts'

const WATCH_INTERVAL_MS = 500
const ENROL_RETRY_MS = 2000

export type Enrolled = { readonly identity: Identity; readonly credentials: Credentials }

/**
 * Enrols with a one-time token, after the control plane has proved that it is the one that made it: its roots are compared
 * with the pins of the token, and the token travels on a second connection, verified against them.
 * Throws {@link ControlPlaneUnavailable} or {@link ControlPlaneRefused}.
 */
export async function enrolAt(
  enrolment: Enrolment,
  key: SigningKey,
  at: { readonly url: string; readonly clock: { now(): Date } },
): Promise<Enrolled> {
  const { controlPlane } = enrolment
  if (key.jwk.kty !== 'EC') throw new ControlPlaneRefused('a runner enrols with an ES256 key')
  const { kty, crv, x, y } = key.jwk
  const { token, pins } = readToken(enrolment.token)
  const { trustDomain, rootsPem } = await authorityAt(controlPlane, pins)
  const agent = mutualAgent(
    new CertificateHolder({
      // Nobody yet: it verifies the control plane, and has nothing to show.
      spiffeId: { trustDomain, kind: 'runner', organizationId: NIL_ORGANIZATION, runnerId: NIL_ORGANIZATION },
      ...{ rootsPem, clock: at.clock, denied: () => false },
    }),
  )
  try {
    const { requestPem, privateKeyPem } = createCertificateRequest()
    const sent = { token, publicKey: { kty, crv, x, y }, url: at.url, certificateRequest: requestPem }
    const answer = await exchange(agent, controlPlane, {
      method: 'POST',
      path: '/api/v1/runner/enroll',
      headers: { 'content-type': 'application/json' },
      body: new TextEncoder().encode(JSON.stringify(sent)),
    })
    const { success, data } = runners.enroll.output.safeParse(answer)
    if (!success || data.trustDomain !== trustDomain)
      throw new ControlPlaneUnavailable('the answer to the enrolment was not understood')
    const { runnerId, organizationId, issuer, ...certified } = data
    const { certificatePem, denied } = certified
    return {
      identity: { runnerId, organizationId, issuer, controlPlane, trustDomain },
      credentials: { certificatePem, privateKeyPem: privateKeyPem.reveal(), rootsPem: certified.rootsPem, denied },
    }
  } finally {
    await agent.destroy()
  }
}

function readToken(text: string) {
  try {
    return parseEnrolmentToken(text)
  } catch (error) {
    throw new ControlPlaneRefused(error instanceof TrustError ? error.message : 'no enrolment token', { cause: error })
  }
}

/** The pinned roots of whoever answers at `base`. Nothing was proved yet, and nothing of ours is sent. */
async function authorityAt(base: string, pins: readonly string[]): Promise<PinnedAuthority> {
  const agent = unverifiedAgent()
  try {
    const answer = Roots.safeParse(await exchange(agent, base, { method: 'GET', path: ROOTS_PATH }))
    if (!answer.success) throw new ControlPlaneUnavailable(`what answers at ${base} presents no roots`)
    return pinnedAuthority(answer.data.rootsPem, pins)
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    throw new ControlPlaneUnavailable(`the token was not sent to ${base}: ${error.message}`, { cause: error })
  } finally {
    await agent.destroy()
  }
}

export type Enrolling = {
  readonly home: Home
  readonly url: string
  readonly log: Logger
  readonly clock: { now(): Date }
  /** Overrides the address of the enrolment. */
  readonly controlPlane: string | undefined
  readonly begin: (identity: Identity) => void
  readonly signal: AbortSignal
}

/** Watches the home until an enrolment is there and the control plane has taken it. */
export async function awaitEnrolment({ home, log, begin, signal, controlPlane, ...at }: Enrolling): Promise<void> {
  const pause = (ms: number) => sleep(ms, undefined, { signal, ref: false }).catch(() => {})
  let refused: string | undefined
  let announced = false
  while (!signal.aborted) {
    const enrolment = readEnrolment(home, log)
    if (enrolment === undefined || enrolment.token === refused) {
      if (!announced)
        log.info({ home: home.path }, 'not enrolled: waiting for enrolment.json in the home of the runner')
      announced = true
      await pause(WATCH_INTERVAL_MS)
      continue
    }
    try {
      // The key is on disk before anybody hears of it; a runner that dies here keeps it.
      const to = { ...enrolment, controlPlane: controlPlane ?? enrolment.controlPlane }
      const { identity, credentials } = await enrolAt(to, home.signingKey(), at)
      home.saveIdentity({ ...identity, controlPlane: enrolment.controlPlane }, credentials)
      begin(identity)
      return
    } catch (error) {
      const reason = error instanceof Error ? error.message : ''
      if (error instanceof ControlPlaneRefused) {
        refused = enrolment.token
        log.error({ reason }, 'the enrolment token was refused; make a new one and put it into enrolment.json')
      } else log.warn({ reason }, 'the enrolment did not succeed yet')
      await pause(error instanceof ControlPlaneRefused ? WATCH_INTERVAL_MS : ENROL_RETRY_MS)
    }
  }
}

/** A file that is only half there (somebody is just writing it) is looked at again. */
function readEnrolment(home: Home, log: Logger): Enrolment | undefined {
  try {
    return home.enrolment()
  } catch (error) {
    log.warn({ reason: error instanceof Error ? error.message : '' }, 'the enrolment cannot be read yet')
    return undefined
  }
}
