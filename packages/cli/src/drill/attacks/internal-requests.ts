import { createHash } from 'node:crypto'
import { connect } from 'node:tls'
import { createServiceNonce } from '@redoubt/trust'
import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { type Answer, bodyOf, passed, refused } from '../http.ts'
import { actor, type Network, needs, ownPassword, rightful, sentWhole, speaking } from '../keeper-requests.ts'
import {
  componentsOf,
  type KeeperPort,
  type Message,
  paramsOf,
  signedLoosely,
  type TakenService,
} from '../services-port.ts'

/* Requests between services, caught on their way, sent again or made by halves (SVC-3). */

const bodyLimitBytes = 256 * 1024

/** A rightful request of web, caught on its way and altered. */
const altered = (
  id: string,
  title: string,
  code: string,
  change: (message: Message, t: Network, by: TakenService) => Message | Promise<Message>,
): AnyAttack =>
  attack({
    id: `network.${id}`,
    actor,
    requirement: 'SVC-3',
    title,
    needs,
    control: sentWhole,
    async attack(t) {
      const by = await t.keeperPort.taken('web')
      return refused(await t.keeperPort.send(by, await change(rightful(t, by), t, by)), code)
    },
  })

const header = (message: Message, name: string): string => String(message.headers[name])
const withHeaders = (message: Message, headers: Message['headers']): Message => ({
  ...message,
  headers: { ...message.headers, ...headers },
})
const without = ({ headers, ...message }: Message, name: string): Message => ({
  ...message,
  headers: Object.fromEntries(Object.entries(headers).filter(([each]) => each !== name)),
})

/** Bytes as they are over TLS. @returns what is answered until the connection ends, or for a second */
async function spoken({ url }: KeeperPort, { shown }: TakenService, text: string): Promise<string> {
  const { hostname: host, port } = new URL(url)
  const identity = shown ? { cert: shown.certificatePem, key: shown.privateKeyPem } : {}
  const socket = connect({ host, port: Number(port), rejectUnauthorized: false, ...identity })
  let said = ''
  socket.on('data', (chunk: Buffer) => {
    said += chunk.toString('latin1')
  })
  socket.once('secureConnect', () => socket.write(text))
  const ended = new Promise<void>((end) => socket.once('close', () => end()))
  socket.on('error', () => undefined)
  await Promise.race([ended, new Promise((late) => setTimeout(late, 1000))])
  socket.destroy()
  return said
}

const asText = ({ method, path, headers }: Message, { url }: KeeperPort, more: readonly string[]): string =>
  [
    `${method} ${path} HTTP/1.1`,
    `host: ${new URL(url).host}`,
    'content-type: application/json',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...more,
    '',
    '',
  ].join('\r\n')

/** A second request hidden behind the end of the first, for whoever reads its length in the other way. */
const smuggling = (id: string, title: string, framing: (length: number) => readonly string[]): AnyAttack =>
  attack({
    id: `network.${id}`,
    actor,
    requirement: 'SVC-3',
    title,
    needs,
    async control({ keeperPort }) {
      const by = await keeperPort.taken('web')
      const message = keeperPort.message(by, 'secret.read', ownPassword)
      const plain = asText(message, keeperPort, [`content-length: ${message.body.length}`, 'connection: close'])
      const said = await spoken(keeperPort, by, plain + message.body.toString())
      if (!said.startsWith('HTTP/1.1 200')) throw new NotShown(`the same with one length: ${said.slice(0, 60)}`)
      return 'the same with one length: 200'
    },
    async attack({ keeperPort }) {
      const by = await keeperPort.taken('web')
      const message = keeperPort.message(by, 'secret.read', ownPassword)
      const { length } = message.body
      const said = await spoken(keeperPort, by, asText(message, keeperPort, framing(length)) + message.body.toString())
      if (/HTTP\/1\.1 200/.test(said)) return `it answered ${said.slice(0, 80)}`
      if (!said.startsWith('HTTP/1.1 400')) throw new Error(`expected 400, got ${said.slice(0, 80) || 'nothing'}`)
      throw new Stopped(said.split('\r\n')[0] ?? '')
    },
  })

export const internalRequestAttacks: readonly AnyAttack[] = [
  attack({
    id: 'network.replay',
    actor,
    requirement: 'SVC-3',
    title: 'send a caught request a second time',
    needs,
    control: sentWhole,
    async attack(t) {
      const by = await t.keeperPort.taken('web')
      const message = rightful(t, by)
      bodyOf(await t.keeperPort.send(by, message))
      return refused(await t.keeperPort.send(by, message), 'http_signature_replay')
    },
  }),
  attack({
    id: 'network.replay-replica',
    actor,
    requirement: 'SVC-3',
    title: 'send a caught request to a replica of the keeper',
    needs,
    async control(t) {
      const by = await t.keeperPort.taken('web')
      return atReplica(t, async (url) =>
        passed(await t.keeperPort.send(by, rightful(t, by), url), 'at the replica first'),
      )
    },
    async attack(t) {
      const by = await t.keeperPort.taken('web')
      const message = rightful(t, by)
      bodyOf(await t.keeperPort.send(by, message))
      return atReplica(t, async (url) => refused(await t.keeperPort.send(by, message, url), 'http_signature_replay'))
    },
  }),
  attack({
    id: 'network.ended-key',
    actor,
    requirement: 'KEY-4',
    title: 'sign with a key that ended an hour ago',
    needs,
    control: (t) => twoHoursOn(t, async (send) => passed(await send('new'), 'with the key of then')),
    attack: (t) => twoHoursOn(t, async (send) => refused(await send('old'), 'http_signature_key_unknown')),
  }),

  altered('body', 'alter the body of a caught request', 'http_signature_digest', (message) => ({
    ...message,
    body: Buffer.from(JSON.stringify({ path: 'database/web/context-key' })),
  })),
  altered('body-and-digest', 'alter body and digest of a caught request', 'http_signature_mac', (message) => {
    const body = Buffer.from(JSON.stringify({ path: 'database/web/context-key' }))
    const digest = createHash('sha256').update(body).digest('base64')
    return { ...withHeaders(message, { 'content-digest': `sha-256=:${digest}:` }), body }
  }),
  altered('path', 'send a caught request to another path', 'http_signature_mac', (message) => ({
    ...message,
    path: '/v1/secret.remove',
  })),
  altered('query', 'add a query to a caught request', 'http_signature_mac', (message) => ({
    ...message,
    path: `${message.path}?service=api`,
  })),
  altered('method', 'change the method of a caught request', 'http_signature_mac', (message) => ({
    ...message,
    method: 'PUT',
  })),
  altered('authority', 'turn a request to another host around to the keeper', 'http_signature_mac', (_message, t, by) =>
    withHeaders(t.keeperPort.message(by, 'secret.read', ownPassword, { authority: 'vault.internal:8200' }), {
      host: 'vault.internal:8200',
    }),
  ),
  altered('old', 'use a signature of two minutes ago', 'http_signature_window', (_message, t, by) =>
    t.keeperPort.message(by, 'secret.read', ownPassword, { now: new Date(Date.now() - 120_000) }),
  ),
  altered(
    'future',
    'use a signature of a minute ahead, to keep it for later',
    'http_signature_window',
    (_message, t, by) => t.keeperPort.message(by, 'secret.read', ownPassword, { now: new Date(Date.now() + 60_000) }),
  ),
  altered('second-signature', 'put a broken signature before the right one', 'http_signature_malformed', (message) =>
    withHeaders(message, {
      'signature-input': `forged=("@method");created=1;keyid="web/1", ${header(message, 'signature-input')}`,
      signature: `forged=:${'A'.repeat(43)}=:, ${header(message, 'signature')}`,
    }),
  ),
  altered('two-headers', 'send the signature twice, in two headers', 'http_signature_malformed', (message) =>
    withHeaders(message, {
      signature: [header(message, 'signature'), `redoubt=:${'A'.repeat(43)}=:`],
    }),
  ),
  altered('unknown-key', 'sign under a key that nobody has', 'http_signature_key_unknown', (_message, t, { key }) =>
    t.keeperPort.message({ key: { ...key, keyid: 'web/4000' } }, 'secret.read', ownPassword),
  ),
  altered(
    'unknown-service',
    'sign as a service that does not exist',
    'http_signature_key_unknown',
    (_message, t, { key }) =>
      t.keeperPort.message({ key: { ...key, keyid: 'intruder/1' } }, 'secret.read', ownPassword),
  ),
  altered('unsigned', 'leave the signature out', 'http_signature_malformed', (message) =>
    without(without(message, 'signature'), 'signature-input'),
  ),
  altered('algorithm', 'name the algorithm oneself: none', 'http_signature_components', (message, t, { key }) =>
    signedLoosely(message, key, componentsOf(message, t.keeperPort.url), `${paramsOf(key)};alg="none"`),
  ),
  altered(
    'digest-uncovered',
    'sign everything but the digest of the body',
    'http_signature_components',
    (message, t, { key }) =>
      signedLoosely(message, key, componentsOf(message, t.keeperPort.url).slice(0, -1), paramsOf(key)),
  ),
  altered('digest-missing', 'leave the digest out', 'http_signature_malformed', (message) =>
    without(message, 'content-digest'),
  ),
  altered('digest-weak', 'give the digest by MD5, rightly signed', 'http_signature_digest', (message, t, { key }) => {
    const digest = `md5=:${createHash('md5').update(message.body).digest('base64')}:`
    const weak = withHeaders(message, { 'content-digest': digest })
    return signedLoosely(weak, key, componentsOf(weak, t.keeperPort.url), paramsOf(key))
  }),
  altered(
    'answer-tag',
    'send a signature that was made for an answer',
    'http_signature_components',
    (message, t, { key }) =>
      signedLoosely(message, key, componentsOf(message, t.keeperPort.url), paramsOf(key, 'redoubt-service-answer')),
  ),
  altered('nonce', 'sign with a nonce that one can guess', 'http_signature_malformed', (message, t, { key }) =>
    signedLoosely(
      message,
      key,
      componentsOf(message, t.keeperPort.url),
      paramsOf(key).replace(/nonce="[^"]+"/, 'nonce="1"'),
    ),
  ),
  speaking(
    'oversized',
    'SVC-3',
    'send a body that fills the memory',
    /ECONNRESET|socket hang up|EPIPE/,
    async (port) => {
      const by = await port.taken('web')
      const body = { path: 'drill/note', value: 'x'.repeat(4 * bodyLimitBytes), expectedVersion: 0 }
      return port.send(by, port.message(by, 'secret.write', body))
    },
  ),
  smuggling('two-lengths', 'hide a second request behind two lengths', (length) => [
    `content-length: ${length}`,
    `content-length: ${length - 1}`,
  ]),
  smuggling('length-and-chunks', 'hide a second request behind length and chunks', (length) => [
    `content-length: ${length}`,
    'transfer-encoding: chunked',
  ]),
]

/** Another keeper over the same database, which answers for the same name. */
async function atReplica<T>({ keeperPort }: Network, use: (url: string) => Promise<T>): Promise<T> {
  const replica = await keeperPort.open({ authority: new URL(keeperPort.url).host })
  try {
    return await use(replica.url)
  } finally {
    await replica.stop()
  }
}

/** After a rotation, on a keeper whose clock is two hours on. */
async function twoHoursOn<T>(
  t: Network,
  use: (send: (by: 'old' | 'new') => Promise<Answer>) => Promise<T>,
): Promise<T> {
  const { keeperPort } = t
  const clock = { now: () => new Date(Date.now() + 2 * 3_600_000) }
  const old = await keeperPort.taken('web')
  await keeperPort.rotateServices()
  const later = await keeperPort.open({ clock })
  try {
    const keys = { old: old.key, new: await keeperPort.keyOf('web', clock.now()) }
    return await use((which) => {
      const by = { ...old, key: keys[which] }
      const signing = { now: clock.now(), authority: new URL(later.url).host, nonce: createServiceNonce() }
      return keeperPort.send(by, keeperPort.message(by, 'secret.read', ownPassword, signing), later.url)
    })
  } finally {
    await later.stop()
  }
}
