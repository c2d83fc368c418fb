import { randomUUID } from 'node:crypto'
import { type RunReport, runners } from '@redoubt/contract'
import { importJwks, type KeySet, type SigningKey, signRunnerToken } from '@redoubt/trust'
import { Agent, request } from 'undici'
import type { Enrolment, Identity } from './home/home.ts'

const TIMEOUT_MS = 10_000
const ANSWER_MAX_BYTES = 256 * 1024
const KEYS_MAX_AGE_MS = 5 * 60_000
/** An unknown key id makes the runner ask again, but a flood of forged tokens does not make it a flood of requests. */
const REFETCH_INTERVAL_MS = 10_000

/** The control plane did not answer, or not with what it should. Try again later. */
export class ControlPlaneUnavailable extends Error {
  override readonly name = 'ControlPlaneUnavailable'
}
/** The control plane answered that it does not want this; trying again cannot help. */
export class ControlPlaneRefused extends Error {
  override readonly name = 'ControlPlaneRefused'
}

/** The few requests a runner makes of its own accord. No redirect is followed, no proxy used. */
export class ControlPlane {
  readonly #agent = new Agent({ connect: { timeout: TIMEOUT_MS }, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS })
  readonly #base: string
  #keys: { readonly set: KeySet; readonly at: number } | undefined
  #askedAt = Number.NEGATIVE_INFINITY

  constructor(base: string) {
    this.#base = base.replace(/\/+$/, '')
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  /** Throws {@link ControlPlaneUnavailable} or {@link ControlPlaneRefused}. */
  async enrol({ token, controlPlane }: Enrolment, key: SigningKey, url: string): Promise<Identity> {
    if (key.jwk.kty !== 'EC') throw new ControlPlaneRefused('a runner enrols with an ES256 key')
    const { kty, crv, x, y } = key.jwk
    const answer = await this.#post('/api/v1/runner/enroll', { token, publicKey: { kty, crv, x, y }, url }, {})
    const enrolled = runners.enroll.output.safeParse(answer)
    if (!enrolled.success) throw new ControlPlaneUnavailable('the answer to the enrolment was not understood')
    const { runnerId, organizationId, issuer } = enrolled.data
    return { runnerId, organizationId, issuer, controlPlane }
  }

  /** Delivers a report, signed for its very bytes. Throws as {@link enrol}. */
  async report(report: RunReport, identity: Identity, key: SigningKey, now: Date): Promise<void> {
    const { runnerId, organizationId } = identity
    await this.#post('/api/v1/runner/reports', report, {
      sign: (body) => signRunnerToken({ runnerId, organizationId, tokenId: randomUUID(), body, now }, key),
    })
  }

  /**
   * The keys that sign plans, at most five minutes old, so that a withdrawn key stops counting. For a key id that is not
   * among them they are fetched once more. Throws {@link ControlPlaneUnavailable}.
   */
  async planKeys(kid: string, now: Date): Promise<KeySet> {
    const at = now.getTime()
    const fresh = this.#keys !== undefined && at - this.#keys.at < KEYS_MAX_AGE_MS && at >= this.#keys.at
    if (fresh && this.#keys !== undefined) {
      const known = this.#keys.set.find(kid) !== undefined
      if (known || at - this.#askedAt < REFETCH_INTERVAL_MS) return this.#keys.set
    }
    this.#askedAt = at
    const answer = await this.#send('GET', '/.well-known/plan-jwks.json', undefined, {})
    try {
      this.#keys = { set: importJwks(answer), at }
    } catch {
      throw new ControlPlaneUnavailable('the control plane published no usable plan keys')
    }
    return this.#keys.set
  }

  #post(path: string, value: object, { sign }: { readonly sign?: (body: Uint8Array) => string }): Promise<unknown> {
    const body = new TextEncoder().encode(JSON.stringify(value))
    const authorization = sign === undefined ? {} : { authorization: `Runner ${sign(body)}` }
    return this.#send('POST', path, body, { 'content-type': 'application/json', ...authorization })
  }

  async #send(
    method: 'GET' | 'POST',
    path: string,
    body: Uint8Array | undefined,
    headers: Readonly<Record<string, string>>,
  ): Promise<unknown> {
    const url = `${this.#base}${path}`
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    let status: number
    let text = ''
    try {
      const answer = await request(url, { method, headers, body: body ?? null, dispatcher: this.#agent, signal })
      status = answer.statusCode
      for await (const chunk of answer.body) {
        text += Buffer.from(chunk).toString('utf8')
        if (text.length > ANSWER_MAX_BYTES) throw new Error('the answer is too long')
      }
    } catch (error) {
      const reason = error instanceof Error && 'code' in error ? String(error.code) : 'no answer'
      throw new ControlPlaneUnavailable(`${method} ${url} failed: ${reason}`, { cause: error })
    }
    if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
      throw new ControlPlaneRefused(`${method} ${url} was refused with status ${status}`)
    }
    if (status < 200 || status > 299)
      throw new ControlPlaneUnavailable(`${method} ${url} answered with status ${status}`)
    try {
      return text === '' ? null : JSON.parse(text)
    } catch {
      throw new ControlPlaneUnavailable(`${method} ${url} did not answer with JSON`)
    }
  }
}
