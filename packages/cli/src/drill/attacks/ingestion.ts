import { randomUUID } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { signWebhook } from '@redoubt/trust'
import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { type Answer, bodyOf, isSuccess, passed, refusalOf, refused } from '../http.ts'
import { bearer, newSecret, type Source } from '../organization.ts'
import type { Parts, Terrain } from '../terrain.ts'

const actor = 'ingestion'
const needs = ['ingestion'] as const
type Ingesting = Terrain & Pick<Parts, 'ingestion'>

const event = (title = newSecret('event')) => ({ title, severity: 'low', id: title })
const token = (source: Pick<Source, 'token'>) => ({ authorization: `Bearer ${source.token}` })
const send = (
  { ingestion }: Ingesting,
  source: Source,
  body: unknown,
  headers: Readonly<Record<string, string>> = token(source),
) => ingestion.door.send({ method: 'POST', path: source.path, body, headers })
const genuine = async (t: Ingesting) => passed(await send(t, t.ingestion.a, event()), 'with its own token')

/** A signed delivery to A's source, altered before it is sent. */
function delivery({ ingestion }: Ingesting, at = new Date(), secret = ingestion.a.webhookSecret) {
  const body = Buffer.from(JSON.stringify(event()))
  return { body, headers: { ...signWebhook({ id: randomUUID(), now: at, body }, secret) } }
}
const signed = async (t: Ingesting) => {
  const { body, headers } = delivery(t)
  return passed(await send(t, t.ingestion.a, body, headers), 'rightly signed')
}
const counted = async ({ api, a }: Ingesting, title: string): Promise<number> => {
  const { items } = bodyOf<{ items: { count: number }[] }>(
    await api.get(`/api/v1/alerts?search=${title}`, bearer(a.admin)),
  )
  return items.reduce((sum, { count }) => sum + count, 0)
}

export const ingestionAttacks: readonly AnyAttack[] = [
  attack({
    id: 'ingestion.no-token',
    actor,
    requirement: 'ALERT-1',
    title: 'send an alert without a token',
    needs,
    control: genuine,
    attack: async (t) => refused(await send(t, t.ingestion.a, event(), {}), 'unauthenticated'),
  }),
  attack({
    id: 'ingestion.wrong-token',
    actor,
    requirement: 'ALERT-1',
    title: 'send an alert with a token that is one character off',
    needs,
    control: genuine,
    attack: async (t) =>
      refused(await send(t, t.ingestion.a, event(), token({ token: flipped(t.ingestion.a.token) })), 'unauthenticated'),
  }),
  attack({
    id: 'ingestion.other-source',
    actor,
    requirement: 'TEN-4',
    title: 'send an alert into A with B’s token',
    needs,
    control: genuine,
    attack: async (t) => refused(await send(t, t.ingestion.a, event(), token(t.ingestion.b)), 'unauthenticated'),
  }),
  attack({
    id: 'ingestion.access-token',
    actor,
    requirement: 'ALERT-1',
    title: 'send an alert with a person’s access token',
    needs,
    control: genuine,
    attack: async (t) => refused(await send(t, t.ingestion.a, event(), { ...bearer(t.a.admin) }), 'unauthenticated'),
  }),
  attack({
    id: 'ingestion.rotated',
    actor,
    requirement: 'ALERT-1',
    title: 'send an alert with a token that was replaced',
    needs,
    control: async (t) => passed(await send(t, await newSource(t), event()), 'before it is replaced'),
    async attack(t) {
      const source = await newSource(t)
      bodyOf(await send(t, source, event()))
      bodyOf(await t.api.post(`/api/v1/sources/${source.id}/rotate`, {}, bearer(t.a.admin)))
      return refusedSoon(() => send(t, source, event()))
    },
  }),
  attack({
    id: 'ingestion.disabled',
    actor,
    requirement: 'ALERT-1',
    title: 'send an alert to a source that was disabled',
    needs,
    control: async (t) => passed(await send(t, await newSource(t), event()), 'before it is disabled'),
    async attack(t) {
      const source = await newSource(t)
      bodyOf(await send(t, source, event()))
      bodyOf(
        await t.api.send({
          method: 'PATCH',
          path: `/api/v1/sources/${source.id}`,
          body: { enabled: false },
          as: bearer(t.a.admin),
        }),
      )
      return refusedSoon(() => send(t, source, event()))
    },
  }),
  attack({
    id: 'ingestion.webhook-unsigned',
    actor,
    requirement: 'ALERT-1',
    title: 'send a webhook signed with another secret',
    needs,
    control: signed,
    async attack(t) {
      const { body, headers } = delivery(t, new Date(), t.ingestion.b.webhookSecret)
      return refused(await send(t, t.ingestion.a, body, headers), 'unauthenticated')
    },
  }),
  attack({
    id: 'ingestion.webhook-altered',
    actor,
    requirement: 'ALERT-1',
    title: 'alter a webhook’s body on its way',
    needs,
    control: signed,
    async attack(t) {
      const { body, headers } = delivery(t)
      return refused(
        await send(t, t.ingestion.a, Buffer.from(body.toString().replace('low', 'critical')), headers),
        'unauthenticated',
      )
    },
  }),
  attack({
    id: 'ingestion.webhook-old',
    actor,
    requirement: 'SVC-3',
    title: 'deliver a webhook that was captured ten minutes ago',
    needs,
    control: signed,
    async attack(t) {
      const { body, headers } = delivery(t, new Date(Date.now() - 600_000))
      return refused(await send(t, t.ingestion.a, body, headers), 'unauthenticated')
    },
  }),
  attack({
    id: 'ingestion.webhook-replayed',
    actor,
    requirement: 'ALERT-1',
    title: 'deliver a captured webhook a second time, to count its alert twice',
    needs,
    async control(t) {
      const [first, second] = [delivery(t), delivery(t)]
      const receipts = [
        bodyOf<Receipt>(await send(t, t.ingestion.a, first.body, first.headers)),
        bodyOf<Receipt>(await send(t, t.ingestion.a, second.body, second.headers)),
      ]
      if (receipts.some(({ created }) => created !== 1)) throw new NotShown('two deliveries did not make two alerts')
      return 'two deliveries make two alerts'
    },
    async attack(t) {
      const { body, headers } = delivery(t)
      bodyOf(await send(t, t.ingestion.a, body, headers))
      const again = bodyOf<Receipt>(await send(t, t.ingestion.a, body, headers))
      const times = await counted(t, (JSON.parse(body.toString()) as { title: string }).title)
      if (!again.replayed || times !== 1) return `the alert counts ${times}`
      throw new Stopped('202 with replayed: true; the alert counts 1')
    },
  }),
  attack({
    id: 'ingestion.doubled',
    actor,
    requirement: 'ALERT-1',
    title: 'have a retried batch counted twice',
    needs,
    async control(t) {
      const title = newSecret('twice')
      for (const key of [randomUUID(), randomUUID()])
        bodyOf(await send(t, t.ingestion.a, event(title), { ...token(t.ingestion.a), 'idempotency-key': key }))
      const times = await counted(t, title)
      if (times !== 2) throw new NotShown(`two deliveries count ${times}`)
      return 'the same alert in two deliveries counts 2'
    },
    async attack(t) {
      const title = newSecret('retry')
      const headers = { ...token(t.ingestion.a), 'idempotency-key': randomUUID() }
      await Promise.all([1, 2, 3].map(() => send(t, t.ingestion.a, event(title), headers)))
      const times = await counted(t, title)
      if (times !== 1) return `the alert counts ${times}`
      throw new Stopped('three sendings of one delivery, at once: the alert counts 1')
    },
  }),
  attack({
    id: 'ingestion.bad-neighbour',
    actor,
    requirement: 'ALERT-1',
    title: 'have a good alert lost by putting a broken line beside it',
    needs,
    control: genuine,
    async attack(t) {
      const title = newSecret('kept')
      const lines = [JSON.stringify(event()), '{"broken":', JSON.stringify(event(title))].join('\n')
      const answer = await send(t, t.ingestion.a, lines, {
        ...token(t.ingestion.a),
        'content-type': 'application/x-ndjson',
      })
      const { accepted, rejected } = bodyOf<Receipt>(answer)
      if (accepted !== 2 || (await counted(t, title)) !== 1) return `${accepted} of the two good ones were taken`
      throw new Stopped(`2 accepted, line ${rejected[0]?.index} refused: ${rejected[0]?.reason}`)
    },
  }),
  attack({
    id: 'ingestion.too-many',
    actor,
    requirement: 'ALERT-1',
    title: 'send 10 001 events in one request',
    needs,
    control: genuine,
    attack: async (t) =>
      refused(await send(t, t.ingestion.a, `[${'{"title":"x"},'.repeat(10_000)}{"title":"x"}]`), 'too_large'),
  }),
  attack({
    id: 'ingestion.bomb',
    actor,
    requirement: 'ALERT-1',
    title: 'send 300 kB of gzip that unpack to 300 MB',
    needs,
    async control(t) {
      const body = gzipSync(JSON.stringify(event()))
      return passed(
        await send(t, t.ingestion.a, body, { ...token(t.ingestion.a), 'content-encoding': 'gzip' }),
        'with gzip of one alert',
      )
    },
    attack: async (t) =>
      refused(
        await send(t, t.ingestion.a, bomb(), { ...token(t.ingestion.a), 'content-encoding': 'gzip' }),
        'too_large',
      ),
  }),
  attack({
    id: 'ingestion.deep',
    actor,
    requirement: 'ALERT-1',
    title: 'send an alert nested 50 000 levels deep',
    needs,
    control: genuine,
    attack: async (t) =>
      refused(
        await send(t, t.ingestion.a, `{"title":"x","x":${'['.repeat(50_000)}${']'.repeat(50_000)}}`),
        'unprocessable',
        'bad_request',
      ),
  }),
  attack({
    id: 'ingestion.source-path',
    actor,
    requirement: 'NET-5',
    title: 'climb out of the source’s name in the address',
    needs,
    control: genuine,
    async attack({ ingestion }) {
      let last: Answer | undefined
      for (const name of ['..%2f..%2fhealthz', '%00', "'%20or%20'1'='1", 'x'.repeat(150)]) {
        last = await ingestion.door.send({
          method: 'POST',
          path: `/ingest/${name}`,
          headers: token(ingestion.a),
          body: event(),
        })
        if (isSuccess(last) || last.status >= 500) return `${name}: ${refusalOf(last)}`
      }
      return refused(last as Answer, 'unauthenticated', 'not_found', 'bad_request')
    },
  }),
]

type Receipt = {
  readonly accepted: number
  readonly created: number
  readonly replayed: boolean
  readonly rejected: readonly { index: number; reason: string }[]
}

const flipped = (text: string): string =>
  text.at(-8) === 'A' ? `${text.slice(0, -8)}B${text.slice(-7)}` : `${text.slice(0, -8)}A${text.slice(-7)}`

let unpackedBomb: Buffer | undefined
const bomb = (): Buffer => {
  unpackedBomb ??= gzipSync(Buffer.alloc(300_000_000, 0x20))
  return unpackedBomb
}

async function newSource({ api, a }: Ingesting): Promise<Source> {
  const slug = newSecret('source')
  const made = bodyOf<{ source: { id: string; path: string }; credentials: { token: string; webhookSecret: string } }>(
    await api.post('/api/v1/sources', { name: slug, slug, type: 'generic' }, bearer(a.admin)),
  )
  return { id: made.source.id, path: made.source.path, ...made.credentials }
}

/** A door remembers a source for a second. */
async function refusedSoon(ask: () => Promise<Answer>): Promise<string> {
  const began = performance.now()
  let last = await ask()
  while (isSuccess(last) && performance.now() - began < 1500) last = await ask()
  const ms = Math.round(performance.now() - began)
  if (last.code === 'unauthenticated') throw new Stopped(`${refusalOf(last)} (after ${ms} ms)`)
  if (isSuccess(last)) return `still taken after ${ms} ms`
  throw new Error(refusalOf(last))
}
