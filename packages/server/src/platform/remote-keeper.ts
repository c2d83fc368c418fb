import { connect } from 'node:tls'
import {
  activeVersion,
  type CertificateHolder,
  createServiceNonce,
  internalConnector,
  Secret,
  signServiceRequest,
  systemTimers,
  verifyServiceAnswer,
} from '@redoubt/trust'
import { Agent, request } from 'undici'
import { z } from 'zod'
import { AppError } from './app-error.ts'
import type { Clock } from './clock.ts'
import type { ServiceIdentityFile } from './identity-file.ts'
import {
  type KeeperClient,
  type KeeperOutput,
  type KeeperQuestion,
  KeeperRefusal,
  type KeeperRequest,
  keeperProtocol,
} from './keeper-protocol.ts'

const answerMaxBytes = 1_048_576
const timeoutMs = 10_000
const longPollMs = 35_000
const Problem = z.object({ code: z.string().max(60), detail: z.string().max(500).optional() })

export type RemoteKeeper = KeeperClient & { close(): Promise<void> }

/**
 * A service's line to a keeper in another process (SVC-3, SVC-4): mutual TLS with the certificate of the moment, every
 * request signed, every answer verified before anything looks at it.
 * @param identity read anew at each request, so that a rotated key is used as soon as it is known
 */
export function remoteKeeper(parts: {
  readonly url: string
  readonly holder: CertificateHolder
  readonly identity: () => ServiceIdentityFile
  readonly clock: Clock
}): RemoteKeeper {
  const { url, holder, clock } = parts
  const { service, trustDomain } = parts.identity()
  const expected = { trustDomain, kind: 'service', name: 'keeper' } as const
  const newAgent = () =>
    new Agent({
      connect: internalConnector({ connect, holder, expected, timers: systemTimers }) as never,
      connections: 4,
      pipelining: 1,
      headersTimeout: longPollMs,
      bodyTimeout: timeoutMs,
    })
  let agent = newAgent()
  // Open connections prove the certificate they began with, or none: with a new one, the next request begins anew.
  const unfollow = holder.onChange(() => {
    const before = agent
    agent = newAgent()
    void before.close()
  })
  const authority = new URL(url).host
  const listeners = new Set<(changed: string) => void>()
  const ending = new AbortController()
  let following: Promise<void> | undefined

  function signingKey() {
    const { keys } = parts.identity()
    const active = activeVersion(
      keys.map((key) => ({ ...key, createdAt: key.activeAt })),
      clock.now(),
    )
    if (!active) throw new AppError('unavailable', `${service} has no key to sign its requests with: enrol it again.`)
    return { keyid: `${service}/${active.version}`, secret: new Secret<Uint8Array>(Buffer.from(active.key, 'base64')) }
  }

  async function call<R extends KeeperRequest>(name: R, input: KeeperQuestion<R>): Promise<KeeperOutput<R>> {
    const body = Buffer.from(JSON.stringify(input))
    const target = { method: 'POST', authority, path: `/v1/${name}`, query: '' }
    const key = signingKey()
    const signed = signServiceRequest({ ...target, body, key, now: clock.now(), nonce: createServiceNonce() })
    const headers = { 'content-type': 'application/json', ...signed }
    let answer: { status: number; headers: Record<string, string | string[] | undefined>; body: Buffer }
    try {
      const signal = AbortSignal.any([ending.signal, AbortSignal.timeout(name === 'changes' ? longPollMs : timeoutMs)])
      const got = await request(new URL(target.path, url), { method: 'POST', body, headers, dispatcher: agent, signal })
      answer = { status: got.statusCode, headers: got.headers, body: await read(got.body) }
    } catch (cause) {
      throw new AppError('unavailable', 'The keeper does not answer; try again in a few seconds.', {
        cause,
        retryAfter: 5,
      })
    }
    if (answer.status === 401) {
      const problem = Problem.safeParse(json(answer.body))
      const code = problem.data?.code ?? 'refused'
      throw new KeeperRefusal(code, `The keeper does not believe that this is ${service} (${code}).`)
    }
    verifyServiceAnswer({ ...target, headers: signed }, answer, { key, now: clock.now() })
    if (answer.status !== 200) {
      const { code, detail } = Problem.parse(json(answer.body))
      throw new KeeperRefusal(code, detail ?? code)
    }
    return (keeperProtocol[name].output as unknown as z.ZodType<KeeperOutput<R>>).parse(json(answer.body))
  }

  /** Asks for changes again and again while anybody listens; whatever was missed is found at the next answer. */
  async function follow(): Promise<void> {
    let position = 0
    while (!ending.signal.aborted) {
      try {
        const answer = await call('changes', { after: position })
        position = answer.position
        for (const changed of answer.changed) for (const listener of listeners) listener(changed)
      } catch {
        // Away: what has changed meanwhile is not known, so everything counts as changed once it answers again.
        if (ending.signal.aborted) return
        for (const listener of listeners) listener('unreachable')
        await new Promise<void>((next) => {
          systemTimers.after(2000, next)
          ending.signal.addEventListener('abort', () => next(), { once: true })
        })
      }
    }
  }

  return {
    service,
    call,
    onChange(listener) {
      listeners.add(listener)
      following ??= follow()
      return () => listeners.delete(listener)
    },
    async close() {
      ending.abort()
      listeners.clear()
      unfollow()
      await following
      await agent.destroy()
    },
  }
}

async function read(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > answerMaxBytes) throw new Error('the answer is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function json(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return null
  }
}
