import { createHash } from 'node:crypto'
import type { OrganizationId, SourceId } from '@redoubt/contract'
import { expect, test } from 'vitest'
import { AppError } from '../../../platform/app-error.ts'
import { readBatch } from './batch.ts'
import type { DoorSource } from './source-door.ts'
import { jsonbText } from './store.ts'

const source: DoorSource = {
  id: '00000000-0000-7000-8000-000000000001' as SourceId,
  organizationId: '00000000-0000-7000-8000-000000000002' as OrganizationId,
  slug: 'generic',
  type: 'generic',
  tlp: 'AMBER',
  mapping: null,
  webhookSecret: new Uint8Array(),
}
const read = (body: string | Buffer, options: { declaredLines?: boolean; source?: DoorSource } = {}) =>
  readBatch(Buffer.from(body as string), options.source ?? source, {
    receivedAt: new Date('2026-01-01T00:00:00Z'),
    declaredLines: options.declaredLines ?? false,
    pause: async () => undefined,
    onDefect: (error) => {
      throw error
    },
  })
const codeOf = (batch: Promise<unknown>) =>
  batch.then(
    () => 'accepted',
    (error) => (error instanceof AppError ? error.code : error),
  )

test.each([
  ['one object', '{"id":"a","title":"One"}', 1],
  ['one object over many lines', '{\n  "id": "a",\n  "title": "One"\n}', 1],
  ['an array', '[{"id":"a"}, {"id":"b"}]', 2],
  ['an empty array', ' [ ] ', 0],
  ['lines, found out', '{"id":"a"}\n{"id":"b"}\n\n{"id":"c"}\n', 3],
  ['lines with carriage returns', '{"id":"a"}\r\n{"id":"b"}\r\n', 2],
  ['a byte order mark before it', '\ufeff[{"id":"a"}]', 1],
])('%s is read', async (_form, body, alerts) => {
  const batch = await read(body)
  expect(batch).toMatchObject({ accepted: alerts, rejected: [] })
})

test('a declared line may be an object, and only whole lines count', async () => {
  expect(await read('{"id":"a"}\n{"id":"b"}', { declaredLines: true })).toMatchObject({ accepted: 2 })
})

test('a bad line is refused by its index with a reason, and its neighbours are kept', async () => {
  const batch = await read('{"id":"a"}\n{"id":\n{"id":"b"}\nrubbish')
  expect(batch.accepted).toBe(2)
  expect(batch.rejected.map(({ index }) => index)).toEqual([1, 3])
  for (const { reason } of batch.rejected) expect(reason).toMatch(/not valid JSON/)
})

test('a line that is not UTF-8 is refused alone; characters around it come through whole', async () => {
  const body = Buffer.concat([
    Buffer.from('{"id":"ä","title":"Zürich \ufffd"}\n{"id":"'),
    Buffer.from([0xff, 0xa0]),
    Buffer.from('"}\n{"id":"b"}'),
  ])
  const batch = await read(body)
  expect(batch.rejected).toEqual([{ index: 1, reason: 'not valid UTF-8' }])
  expect(batch.rows.map(({ raw }) => raw).sort()).toEqual(['{"id":"b"}', '{"id":"ä","title":"Zürich \ufffd"}'])
})

test('an event deeper or larger than is sane is refused alone', async () => {
  const deep = `${'['.repeat(100)}${']'.repeat(100)}`
  const large = JSON.stringify({ id: 'l', text: 'x'.repeat(1_048_577) })
  const batch = await read(`[{"id":"a"},${deep},${large}]`)
  expect(batch.accepted).toBe(1)
  expect(batch.rejected.map(({ index }) => index)).toEqual([1, 2])
})

test('more than 10 000 events are refused, however they are written', async () => {
  const event = '{"a":1}'
  expect(await codeOf(read(`[${Array(10_001).fill(event)}]`))).toBe('too_large')
  expect(await codeOf(read(Array(10_001).fill(event).join('\n')))).toBe('too_large')
  expect(await codeOf(read(`[${Array(10_000).fill(event)}]`))).toBe('accepted')
  expect(await codeOf(read(Array(10_000).fill(event).join('\n')))).toBe('accepted')
})

test('commas and line ends inside strings are not counted as events', async () => {
  const text = `,\\"${',\\\\'.repeat(20_000)}`
  expect(await codeOf(read(`[{"id":"a","text":"${text}"}]`))).toBe('accepted')
})

test('twenty million empty elements are refused before they become strings', async () => {
  const before = process.memoryUsage().heapUsed
  expect(await codeOf(read(`[${','.repeat(20_000_000)}]`))).toBe('too_large')
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(200_000_000)
})

test('a group whose payload would be kept too often is refused', async () => {
  const alerts = Array.from({ length: 2000 }, (_, at) => ({
    status: 'firing',
    fingerprint: `${at}`,
    labels: { alertname: `Alert ${at}` },
    startsAt: '2026-01-01T00:00:00Z',
  }))
  const group = {
    version: '4',
    groupKey: 'g',
    receiver: 'redoubt',
    status: 'firing',
    groupLabels: {},
    commonLabels: {},
    commonAnnotations: {},
    alerts,
  }
  const alertmanager: DoorSource = { ...source, type: 'alertmanager' }
  expect(await codeOf(read(JSON.stringify(group), { source: alertmanager }))).toBe('too_large')
  const few = await read(JSON.stringify({ ...group, alerts: alerts.slice(0, 20) }), { source: alertmanager })
  expect(few.rows).toHaveLength(20)
})

test('duplicates in a batch fold: counted, gravest severity, first and last payload', async () => {
  const events = ['low', 'critical', 'medium'].map((severity) =>
    JSON.stringify({ alert_id: 'same', title: 'One', severity }),
  )
  const { rows, accepted } = await read(events.join('\n'))
  expect(accepted).toBe(3)
  expect(rows).toHaveLength(1)
  expect(rows[0]).toMatchObject({ count: 3, severity: 4, raw: events[0], latestRaw: events[2] })
})

test('64-bit ids that differ in their last digit alone are two alerts', async () => {
  const { rows } = await read('[{"id":9223372036854775806,"title":"t"},{"id":9223372036854775807,"title":"t"}]')
  expect(rows.map(({ sourceRef }) => sourceRef).sort()).toEqual(['9223372036854775806', '9223372036854775807'])
})

test('the same event from two sources is two alerts, and rows come sorted by key', async () => {
  const other: DoorSource = { ...source, id: '00000000-0000-7000-8000-000000000003' as SourceId }
  const body = Array.from({ length: 50 }, (_, at) => `{"alert_id":"e${at}"}`).join('\n')
  const [ours, theirs] = [await read(body), await read(body, { source: other })]
  const keys = (batch: typeof ours) => batch.rows.map(({ dedupKey }) => Buffer.from(dedupKey, 'latin1').toString('hex'))
  expect(new Set([...keys(ours), ...keys(theirs)]).size).toBe(100)
  expect(keys(ours)).toEqual([...keys(ours)].sort())
})

test('the key is SHA-256 over type, source and reference', async () => {
  const { rows } = await read('{"alert_id":"e1"}')
  const expected = createHash('sha256').update(`generic|${source.id}|ref|e1`).digest('hex')
  expect(Buffer.from(rows[0]?.dedupKey ?? '', 'latin1').toString('hex')).toBe(expected)
})

test('JSON for the database is free of what jsonb refuses and otherwise unchanged', () => {
  const nul = String.fromCharCode(0)
  expect(JSON.parse(jsonbText({ a: `x${nul}y`, [`k${nul}`]: 1 }))).toEqual({ a: 'x\ufffdy', 'k\ufffd': 1 })
  expect(JSON.parse(jsonbText({ a: '\ud800', b: '😀' }))).toEqual({ a: '\ufffd', b: '😀' })
  // A backslash before u0000 that was written out is text, not an escape.
  const written = { a: '\\u0000', b: '\\\\u0000', c: `\\${nul}` }
  expect(JSON.parse(jsonbText(written))).toEqual({ a: '\\u0000', b: '\\\\u0000', c: '\\\ufffd' })
})
