import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { type AuditFileProblem, verifyAuditFile } from './audit-file.ts'
import { auditFileLines, type SealedEvent, sealAuditEvent } from './audit-log.ts'
import { verifyAuditProof } from './audit-proof.ts'
import { encodeBase64, utf8 } from './bytes.ts'
import { append, Frontier, inclusionProof, leafHash } from './merkle.ts'
import { noteVerifierOf, signCheckpoint } from './note-signing.ts'
import { formatVerifierKey } from './signed-note.ts'
import { generateSigningKey } from './signing-key.ts'

const organizationId = '0a1f2e3d-0000-4000-8000-00000000000a'
const origin = `redoubt.example/audit/${organizationId}`
const key = generateSigningKey('Ed25519')
const verifier = formatVerifierKey(await noteVerifierOf(origin, key))
const exportedAt = new Date('2026-03-01T12:00:00Z')
const header = { organizationId, origin, verifier, exportedAt }

const event = (seq: number, more: object = {}): SealedEvent =>
  sealAuditEvent({ organizationId, seq, at: '2026-03-01T11:00:00Z', action: 'case.open', facts: { n: seq }, ...more })

async function note(events: readonly SealedEvent[], size: number, signer = key): Promise<string> {
  const tree = new Frontier()
  for (const { leaf } of events.slice(0, size)) tree.push(leaf)
  return signCheckpoint({ origin, size, root: tree.root() }, signer)
}

async function* stream<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}
const collect = async (lines: AsyncIterable<string>): Promise<string[]> => Array.fromAsync(lines)
const verify = (lines: readonly string[], trustedVerifier: string | undefined = verifier) =>
  verifyAuditFile(stream(lines), trustedVerifier === undefined ? {} : { trustedVerifier })
const refused = async (lines: readonly string[]): Promise<AuditFileProblem> => {
  const result = await verify(lines)
  if (result.ok) throw new Error('the file passed')
  return result
}

/** Ten events; checkpoints behind 4, 7 and 10. Event n stands at lineOf(n) (index in the array). */
let file: string[]
const sealed = Array.from({ length: 10 }, (_, seq) => event(seq))
const sizes = [4, 7, 10]
const lineOf = (seq: number) => 1 + seq + sizes.filter((size) => size <= seq).length

beforeAll(async () => {
  file = await collect(auditFileLines(header, sealed, await Promise.all(sizes.map((size) => note(sealed, size)))))
})

type EventLine = { kind: 'event'; seq: number; leaf: string; body: string }
const read = (lines: readonly string[], seq: number): EventLine => JSON.parse(lines[lineOf(seq)]!)
const change = (seq: number, alter: (line: EventLine) => Partial<EventLine>): string[] =>
  file.with(lineOf(seq), JSON.stringify({ ...read(file, seq), ...alter(read(file, seq)) }))
const forged = (line: EventLine) => line.body.replace('case.open', 'case.hide')
const asLine = ({ seq, leaf, body }: SealedEvent) =>
  JSON.stringify({ kind: 'event', seq, leaf: encodeBase64(leaf), body })

describe('a genuine export', () => {
  test('verifies, and says what it covers', async () => {
    expect(await verify(file)).toEqual({
      ok: true,
      organizationId,
      origin,
      events: 10,
      checkpoints: 3,
      lastCheckpoint: { size: 10, root: expect.stringMatching(/^.{44}$/) },
      verifier,
      handovers: 0,
      verifierFrom: 'caller',
    })
  })

  test('without a trusted key says that the key was taken from the file', async () => {
    expect(await verifyAuditFile(stream(file))).toMatchObject({ ok: true, verifierFrom: 'file' })
  })

  test('of an empty log verifies', async () => {
    const lines = await collect(auditFileLines(header, [], [await note([], 0)]))
    expect(await verify(lines)).toMatchObject({ ok: true, events: 0 })
  })

  test('may carry its checkpoints anywhere behind the events they cover', async () => {
    const notes = file.filter((line) => line.includes('"checkpoint"'))
    expect(await verify([...file.filter((line) => !notes.includes(line)), ...notes])).toMatchObject({
      ok: true,
      checkpoints: 3,
    })
  })

  test('of any length, with any checkpoints, verifies', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(60), fc.array(fc.nat(60), { maxLength: 5 }), async (length, cuts) => {
        const events = Array.from({ length }, (_, seq) => event(seq))
        const heads = [...new Set([...cuts.filter((cut) => cut < length), length])].sort((a, b) => a - b)
        const lines = await collect(
          auditFileLines(header, stream(events), await Promise.all(heads.map((size) => note(events, size)))),
        )
        expect(await verify(lines)).toMatchObject({ ok: true, events: length, checkpoints: heads.length })
      }),
      { numRuns: 30 },
    )
  })

  test('is not written without a checkpoint over all events', async () => {
    await expect(collect(auditFileLines(header, sealed, [await note(sealed, 9)]))).rejects.toMatchObject({
      code: 'audit_event',
    })
    await expect(collect(auditFileLines(header, sealed.slice(0, 9), [await note(sealed, 10)]))).rejects.toMatchObject({
      code: 'audit_event',
    })
  })
})

describe('an altered export', () => {
  test.each(sealed.map(({ seq }) => seq))('names event %i when its text was altered', async (seq) => {
    const result = await refused(change(seq, (line) => ({ body: forged(line) })))
    expect(result).toMatchObject({
      seq,
      line: lineOf(seq) + 1,
      problem: expect.stringContaining(`Event ${seq} was altered`),
    })
  })

  test.each(sealed.map(({ seq }) => seq))('names event %i when its leaf hash was altered', async (seq) => {
    const result = await refused(change(seq, () => ({ leaf: encodeBase64(leafHash(utf8('other'))) })))
    expect(result).toMatchObject({
      seq,
      line: lineOf(seq) + 1,
      problem: expect.stringContaining('the event itself is as it was signed'),
    })
  })

  test.each([
    [1, 0, 3],
    [5, 4, 6],
    [8, 7, 9],
  ])('names the range between two checkpoints when text and leaf of event %i were altered', async (seq, from, to) => {
    const result = await refused(
      change(seq, (line) => ({ body: forged(line), leaf: encodeBase64(leafHash(utf8(forged(line)))) })),
    )
    expect(result).toMatchObject({ range: { from, to }, problem: expect.stringContaining(`from ${from} to ${to}`) })
  })

  test.each(sealed.map(({ seq }) => seq))('names event %i when it is missing', async (seq) => {
    expect(await refused(file.toSpliced(lineOf(seq), 1))).toMatchObject({
      seq,
      problem: expect.stringContaining(`Event ${seq} is missing`),
    })
  })

  test('names the missing event though all numbers were written anew', async () => {
    const lines = file
      .toSpliced(lineOf(5), 1)
      .map((line, at) =>
        at < lineOf(5) || !line.includes('"event"')
          ? line
          : line.replace(/"seq":(\d+)/, (_, n) => `"seq":${Number(n) - 1}`),
      )
    expect(await refused(lines)).toMatchObject({ seq: 5, problem: 'Event 5 is missing: event 6 stands in its place.' })
  })

  test('names the event that was moved', async () => {
    const [four, five] = [file[lineOf(4)]!, file[lineOf(5)]!]
    expect(await refused(file.with(lineOf(4), five).with(lineOf(5), four))).toMatchObject({
      seq: 4,
      line: lineOf(4) + 1,
      problem: `Event 4 is out of order: it stands on line ${lineOf(5) + 1}, behind event 5.`,
    })
  })

  test('names the event that was moved though the numbers of the lines were exchanged back', async () => {
    const [four, five] = [read(file, 4), read(file, 5)]
    const lines = file
      .with(lineOf(4), JSON.stringify({ ...five, seq: 4 }))
      .with(lineOf(5), JSON.stringify({ ...four, seq: 5 }))
    expect(await refused(lines)).toMatchObject({ seq: 4, problem: expect.stringContaining('Event 4 is out of order') })
  })

  test('names the event that stands twice', async () => {
    expect(await refused(file.toSpliced(lineOf(6), 0, file[lineOf(5)]!))).toMatchObject({
      seq: 5,
      problem: 'Event 5 stands a second time.',
    })
  })

  test('names an event of another organization', async () => {
    const foreign = sealAuditEvent({ organizationId: 'other', seq: 5 })
    expect(await refused(file.with(lineOf(5), asLine(foreign)))).toMatchObject({
      seq: 5,
      problem: expect.stringContaining('organization'),
    })
  })

  test.each([
    ['the last checkpoint', 13],
    ['a part of the tail', 12],
    ['a tail between two checkpoints', 11],
  ])('tells that %s is missing', async (_name, length) => {
    expect(await refused(file.slice(0, length))).toMatchObject({
      problem: expect.stringContaining('The end is missing'),
    })
  })

  test('cut right behind an older checkpoint is the log of that time, and the result says how far it goes', async () => {
    expect(await verify(file.slice(0, 10))).toMatchObject({ ok: true, events: 7, lastCheckpoint: { size: 7 } })
  })

  test('names the first of several alterations', async () => {
    const lines = change(2, (line) => ({ body: forged(line) }))
    const second = { ...read(file, 8), body: forged(read(file, 8)) }
    expect(await refused(lines.with(lineOf(8), JSON.stringify(second)))).toMatchObject({ seq: 2 })
    expect(await refused(lines.toSpliced(lineOf(3), 1))).toMatchObject({ seq: 2 })
    expect(await refused(lines.toSpliced(lineOf(3), 1, '{'))).toMatchObject({ seq: 2 })
    expect(await refused(file.toSpliced(lineOf(3), 1).with(lineOf(8), '{'))).toMatchObject({ seq: 3 })
  })

  test('does not take a forged checkpoint, or one of another key, for the signed one', async () => {
    const other = generateSigningKey('Ed25519')
    const events = sealed.with(9, event(9, { action: 'nothing' }))
    for (const last of [await note(events, 10, other), JSON.parse(file.at(-1)!).note.replace('\n10\n', '\n11\n')]) {
      const lines = [
        ...file.slice(0, lineOf(9)),
        asLine(events[9]!),
        JSON.stringify({ kind: 'checkpoint', note: last }),
      ]
      expect(await refused(lines)).toMatchObject({ line: 14, problem: expect.stringContaining('Line 14') })
    }
  })

  test('signed throughout by a forger is refused against the trusted key', async () => {
    const forger = generateSigningKey('Ed25519')
    const own = formatVerifierKey(await noteVerifierOf(origin, forger))
    const lines = await collect(auditFileLines({ ...header, verifier: own }, sealed, [await note(sealed, 10, forger)]))
    expect(await refused(lines)).toMatchObject({
      line: 1,
      problem: 'The file names another signing key than the trusted one.',
    })
    expect(await refused(lines.with(0, file[0]!))).toMatchObject({ ok: false })
    expect(await verifyAuditFile(stream(lines))).toMatchObject({ ok: true, verifierFrom: 'file' })
  })

  test('of another log is refused though the key is the same', async () => {
    const lines = file.with(0, file[0]!.replace(`"origin":"${origin}"`, '"origin":"redoubt.example/audit/other"'))
    expect(await refused(lines)).toMatchObject({ line: 1, problem: expect.stringContaining('not one of the log') })
  })

  test('tells when the operator signed two logs of one size', async () => {
    const other = sealed.with(3, event(3, { action: 'other' }))
    const fork = JSON.stringify({ kind: 'checkpoint', note: await note(other, 4) })
    expect(await refused(file.toSpliced(lineOf(4), 0, fork))).toMatchObject({
      problem: expect.stringContaining('contradict'),
    })
  })

  test('tells when checkpoints are out of order or ahead of their events', async () => {
    const [four, ten] = [file[lineOf(4) - 1]!, file.at(-1)!]
    expect(await refused([...file, four])).toMatchObject({ problem: expect.stringContaining('behind a larger one') })
    expect(await refused(file.toSpliced(lineOf(4), 0, ten))).toMatchObject({
      seq: 4,
      problem: expect.stringContaining('Event 4 is missing'),
    })
  })

  test.each([
    ['an empty file', () => []],
    ['a file without a header', () => file.slice(1)],
    ['a header of another format', () => file.with(0, file[0]!.replace('/v1', '/v2'))],
    ['a header with something more', () => file.with(0, file[0]!.replace('{', '{"x":1,'))],
    ['an unknown line', () => file.toSpliced(3, 0, '{"kind":"comment"}')],
    ['an empty line', () => file.toSpliced(3, 0, '')],
    ['a line with something more', () => file.with(2, file[2]!.replace('{', '{"x":1,'))],
    ['half a line at the end', () => file.with(-1, file.at(-1)!.slice(0, 40))],
    ['a leaf that is no base64', () => change(2, () => ({ leaf: '*' }))],
    ['a leaf of 31 bytes', () => change(2, () => ({ leaf: encodeBase64(new Uint8Array(31)) }))],
    ['a body that is no event', () => change(2, () => ({ body: '[]', leaf: encodeBase64(leafHash(utf8('[]'))) }))],
  ])('refuses %s in a clear sentence', async (_name, lines) => {
    expect(await refused(lines())).toMatchObject({ problem: expect.stringMatching(/^[A-Z].*\.$/) })
  })

  test('never passes with any line removed, doubled, moved, or any character changed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(13), fc.nat(13), fc.nat(600), fc.nat(3), async (at, to, column, how) => {
        const line = file[at]!
        const other = line.charCodeAt(column % line.length) === 0x30 ? '1' : '0'
        const altered = [
          () => file.toSpliced(at, 1),
          () => file.toSpliced(at, 0, line),
          () => file.toSpliced(at, 1).toSpliced(to, 0, line),
          () => file.with(at, line.slice(0, column % line.length) + other + line.slice((column % line.length) + 1)),
        ][how]!()
        // Not signed, and so free: how many checkpoints there are and how late they come, and the header's time.
        const eventsOf = (lines: readonly string[]) => lines.filter((text) => text.includes('"event"')).join('\n')
        fc.pre(how === 3 ? at > 0 && other !== line[column % line.length] : eventsOf(altered) !== eventsOf(file))
        expect((await verify(altered)).ok).toBe(false)
      }),
      { numRuns: 500 },
    )
  })
})

describe('the proof of one event', () => {
  const proofOf = async (seq: number, events = sealed) => {
    const grown = await append(
      0,
      events.map(({ leaf }) => leaf),
      async () => new Uint8Array(),
    )
    const nodes = new Map(grown.nodes.map(({ level, index, hash }) => [`${level}/${index}`, hash]))
    const proof = await inclusionProof(seq, 10, async (level, index) => nodes.get(`${level}/${index}`)!)
    const { body, leaf } = events[seq]!
    return {
      seq,
      size: 10,
      body,
      leaf: encodeBase64(leaf),
      proof: proof.map(encodeBase64),
      note: await note(events, 10),
      verifier,
      successions: [],
    }
  }

  test('holds for every event', async () => {
    for (const { seq } of sealed)
      expect(await verifyAuditProof(await proofOf(seq), { origin, trustedVerifier: verifier })).toMatchObject({
        ok: true,
        checkpoint: { origin, size: 10 },
      })
  })

  test('fails for an event that the log itself sealed under the number of another', async () => {
    const claim = await proofOf(6, sealed.with(6, event(5)))
    expect(await verifyAuditProof(claim, { origin, trustedVerifier: verifier })).toMatchObject({
      problem: 'The event does not carry this sequence number.',
    })
  })

  test('fails when any part of it is another event’s, altered, or malformed', async () => {
    const [claim, other] = [await proofOf(5), await proofOf(6)]
    const stranger = formatVerifierKey(await noteVerifierOf(origin, generateSigningKey('Ed25519')))
    const claims = [
      { ...claim, seq: 6 },
      { ...other, seq: 5 },
      { ...claim, size: 9 },
      { ...claim, body: other.body },
      { ...claim, body: claim.body.replace('case.open', 'case.hide') },
      { ...claim, leaf: other.leaf },
      { ...claim, leaf: '*' },
      { ...claim, proof: other.proof },
      { ...claim, proof: claim.proof.slice(1) },
      { ...claim, proof: ['*'] },
      { ...claim, note: claim.note.replace('\n10\n', '\n11\n') },
      { ...claim, note: '' },
      { ...claim, body: '{', leaf: encodeBase64(leafHash(utf8('{'))) },
    ]
    for (const altered of claims)
      expect(await verifyAuditProof(altered, { origin, trustedVerifier: verifier })).toMatchObject({ ok: false })
    expect(await verifyAuditProof(claim, { origin, trustedVerifier: stranger })).toMatchObject({ ok: false })
    expect(await verifyAuditProof(claim, { origin: 'redoubt.example/audit/other' })).toMatchObject({ ok: false })
  })
})

test('an event is sealed with its own number and in canonical form', () => {
  expect(sealAuditEvent({ seq: 3, organizationId: 'o', b: 1, a: [2] }).body).toBe(
    '{"a":[2],"b":1,"organizationId":"o","seq":3}',
  )
  expect(() => sealAuditEvent({ seq: -1, organizationId: 'o' })).toThrow(
    expect.objectContaining({ code: 'audit_event' }),
  )
  expect(() => sealAuditEvent({ seq: 0, organizationId: '' })).toThrow(expect.objectContaining({ code: 'audit_event' }))
  expect(() => sealAuditEvent({ seq: 0, organizationId: 'o', at: new Date(0) })).toThrow(
    expect.objectContaining({ code: 'canonical_json' }),
  )
})
