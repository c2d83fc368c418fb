import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { type AuditFileResult, verifyAuditFile } from './audit-file.ts'
import { auditFileLines, type SealedEvent, sealAuditEvent } from './audit-log.ts'
import { encodeBase64, utf8 } from './bytes.ts'
import { formatSuccession, openSuccession, openVerifierChain, placeInChain, SUCCESSION_NAME } from './key-succession.ts'
import { type LogHead, verifyLogHead } from './log-head.ts'
import { Frontier } from './merkle.ts'
import { noteVerifierOf, signCheckpoint, signNote, signSuccession } from './note-signing.ts'
import { formatNote, formatVerifierKey, noteVerifier, parseNote } from './signed-note.ts'
import { createSignature, generateSigningKey, type SigningKey } from './signing-key.ts'

const organizationId = '0a1f2e3d-0000-4000-8000-00000000000a'
const origin = `redoubt.example/${organizationId}/audit`
const at = new Date('2026-03-01T12:00:00Z')
const newKey = () => generateSigningKey('Ed25519')
const vkey = async (key: SigningKey, name = origin) => formatVerifierKey(await noteVerifierOf(name, key))
const rawOf = async (key: SigningKey) => (await noteVerifierOf(origin, key)).publicKey

/** Four keys in a row, and the three statements between them. */
const keys = Array.from({ length: 4 }, newKey)
const [k0, k1, k2, k3] = keys as [SigningKey, SigningKey, SigningKey, SigningKey]
const thief = newKey()
let vkeys: string[]
let successions: string[]

const sealed = Array.from({ length: 10 }, (_, seq) => sealAuditEvent({ organizationId, seq, action: 'case.opened' }))

async function note(size: number, key: SigningKey, events: readonly SealedEvent[] = sealed): Promise<string> {
  const tree = new Frontier()
  for (const { leaf } of events.slice(0, size)) tree.push(leaf)
  return signCheckpoint({ origin, size, root: tree.root() }, key)
}

type Signed = readonly [size: number, key: SigningKey]
/** A file whose checkpoints are signed as given; `by` is the key that its header names. */
async function fileOf(checkpoints: readonly Signed[], by: SigningKey, chain: readonly string[], events = sealed) {
  const header = {
    ...{ organizationId, origin, verifier: await vkey(by), exportedAt: at },
    ...(chain.length > 0 ? { successions: [...chain] } : {}),
  }
  const size = checkpoints.at(-1)?.[0] ?? 0
  const notes = await Promise.all(checkpoints.map(([upTo, key]) => note(upTo, key, events)))
  return Array.fromAsync(auditFileLines(header, events.slice(0, size), notes))
}
const verify = (lines: readonly string[], trustedVerifier?: string): Promise<AuditFileResult> =>
  verifyAuditFile(
    (async function* () {
      yield* lines
    })(),
    trustedVerifier === undefined ? {} : { trustedVerifier },
  )
const refusedFor = async (lines: readonly string[], trusted?: string): Promise<string> => {
  const result = await verify(lines, trusted)
  if (result.ok) throw new Error('the file passed')
  return result.problem
}

beforeAll(async () => {
  vkeys = await Promise.all(keys.map((key) => vkey(key)))
  successions = await Promise.all([signSuccession(k0, k1, at), signSuccession(k1, k2, at), signSuccession(k2, k3, at)])
})

describe('a statement of succession', () => {
  test('names both keys and the time, and is signed by both', async () => {
    const succession = await openSuccession(successions[0]!)
    expect(succession).toEqual({ from: await rawOf(k0), to: await rawOf(k1), at })
    expect(parseNote(successions[0]!).text.split('\n')[0]).toBe('redoubt.local/audit-key-succession')
  })

  test.each(['the old key', 'the new key'])('does not hold without the signature of %s', async (missing) => {
    const { text, signatures } = parseNote(successions[0]!)
    const kept = missing === 'the old key' ? signatures[1]! : signatures[0]!
    await expect(openSuccession(formatNote(text, [kept]))).rejects.toMatchObject({ code: 'note_signature' })
  })

  test('does not hold with the signature of another key in the place of the old one', async () => {
    const text = formatSuccession({ from: await rawOf(k0), to: await rawOf(thief), at })
    const forged = async (name: SigningKey, signer: SigningKey) => {
      const { keyId } = await noteVerifier(SUCCESSION_NAME, await rawOf(name))
      return { name: SUCCESSION_NAME, keyId, signature: new Uint8Array(createSignature(signer, utf8(text))) }
    }
    const statement = formatNote(text, [await forged(k0, thief), await forged(thief, thief)])
    await expect(openSuccession(statement)).rejects.toMatchObject({ code: 'note_signature' })
  })

  test('is no checkpoint, and no checkpoint is one', async () => {
    const asHead: LogHead = { note: successions[0]!, verifier: await vkey(k0, SUCCESSION_NAME), successions: [] }
    await expect(verifyLogHead(asHead, { origin: SUCCESSION_NAME })).rejects.toMatchObject({
      code: 'checkpoint_malformed',
    })
    await expect(openSuccession(await note(3, k0))).rejects.toMatchObject({ code: 'succession_malformed' })
  })

  test('in any other spelling is refused', async () => {
    const { text } = parseNote(successions[0]!)
    const [name, from, to, when] = text.split('\n') as [string, string, string, string]
    const spellings = [
      [name, from, from, when],
      [name, from.slice(0, -1), to, when],
      [name, encodeBase64(new Uint8Array(31)), to, when],
      [name, from, to, '2026-03-01T12:00:00Z'],
      [name, from, to, 'yesterday'],
      [name, from, to, when, 'more'],
      [name, from, to],
      ['redoubt.example/other', from, to, when],
    ]
    for (const lines of spellings) {
      const statement = await signNote(`${lines.join('\n')}\n`, SUCCESSION_NAME, k0)
      await expect(openSuccession(statement)).rejects.toMatchObject({ code: 'succession_malformed' })
    }
  })
})

describe('a chain of keys', () => {
  test('leads from any of its keys to the newest', async () => {
    const chain = await openVerifierChain(origin, vkeys[3]!, successions)
    expect(chain.verifiers.map(formatVerifierKey)).toEqual(vkeys)
    expect(vkeys.map((key) => placeInChain(chain, key))).toEqual([0, 1, 2, 3])
  })

  test('of one key needs no statement', async () => {
    expect((await openVerifierChain(origin, vkeys[0]!, [])).verifiers).toHaveLength(1)
  })

  test.each([
    ['without its first statement', () => successions.slice(1), 'trusted'],
    ['without one in the middle', () => successions.toSpliced(1, 1), 'does not begin with the key'],
    ['without its last', () => successions.slice(0, -1), 'do not lead to the verifier key'],
    ['with two in each other’s place', () => [successions[1]!, successions[0]!, successions[2]!], 'does not begin'],
    ['with one of them twice', () => [successions[0]!, ...successions], 'does not begin'],
    ['without any', () => [], 'trusted'],
  ])('%s does not lead from a key pinned at the beginning', async (_name, left, why) => {
    const opened = openVerifierChain(origin, vkeys[3]!, left()).then((chain) => placeInChain(chain, vkeys[0]!))
    await expect(opened).rejects.toMatchObject({ code: 'verifier_chain', message: expect.stringContaining(why) })
  })

  test('never comes back to a key that was succeeded', async () => {
    const back = [successions[0]!, await signSuccession(k1, k0, at)]
    await expect(openVerifierChain(origin, vkeys[0]!, back)).rejects.toMatchObject({ code: 'verifier_chain' })
  })

  test('leads to the log that was asked for and to no other organization’s', async () => {
    const other = await vkey(k3, 'redoubt.example/other/audit')
    await expect(openVerifierChain(origin, other, successions)).rejects.toMatchObject({ code: 'verifier_chain' })
    const chain = await openVerifierChain('redoubt.example/other/audit', other, successions)
    expect(() => placeInChain(chain, vkeys[0]!)).toThrow('trusted')
  })
})

describe('a log whose key changed', () => {
  const grown: readonly Signed[] = [
    [2, k0],
    [4, k0],
    [6, k1],
    [8, k2],
    [10, k3],
  ]

  test.each([0, 1, 2, 3])('verifies for a reader who pinned its key number %i', async (pinned) => {
    const lines = await fileOf(grown, k3, successions)
    expect(await verify(lines, vkeys[pinned])).toMatchObject({
      ok: true,
      events: 10,
      checkpoints: 5,
      verifier: vkeys[3],
      handovers: 3 - pinned,
      verifierFrom: 'caller',
    })
  })

  test('verifies for whoever pinned nothing, and says how often the key changed', async () => {
    expect(await verify(await fileOf(grown, k3, successions))).toMatchObject({
      ok: true,
      handovers: 3,
      verifierFrom: 'file',
    })
  })

  test('from before any rotation verifies as it always did', async () => {
    const lines = await fileOf([[4, k0]], k0, [])
    expect(lines[0]).not.toContain('successions')
    expect(await verify(lines, vkeys[0])).toMatchObject({ ok: true, handovers: 0 })
  })

  test('whose file ends before the rotation verifies with the key of then', async () => {
    expect(await verify(await fileOf(grown.slice(0, 2), k0, []), vkeys[0])).toMatchObject({ ok: true, events: 4 })
  })

  test('continued under a key that the old one never named is refused', async () => {
    const forged = grown.map(([size, key]) => [size, key === k3 ? thief : key] as const)
    const own = await signSuccession(thief, newKey(), at)
    for (const chain of [[], [own], successions, successions.slice(0, 2)])
      expect((await verify(await fileOf(forged, thief, chain), vkeys[0])).ok).toBe(false)
  })

  test('whose server put a key of its own in a genuine statement is refused', async () => {
    const mine = encodeBase64(await rawOf(thief))
    const renamed = successions[0]!.replace(encodeBase64(await rawOf(k1)), mine)
    expect(await refusedFor(await fileOf([[10, thief]], thief, [renamed]), vkeys[0])).toMatch(/signed|sign/)
  })

  test.each([0, 1, 2])('with statement %i taken out is refused to whoever pinned the first key', async (at) => {
    expect((await verify(await fileOf(grown, k3, successions.toSpliced(at, 1)), vkeys[0])).ok).toBe(false)
  })

  test('with all statements taken out is refused to everybody', async () => {
    const lines = await fileOf(grown, k3, [])
    expect(await refusedFor(lines, vkeys[0])).toContain('another signing key')
    expect(await refusedFor(lines, vkeys[3])).toContain('not signed by')
    expect(await refusedFor(lines)).toContain('not signed by')
  })

  test('does not take a checkpoint of a retired key behind one of its successor', async () => {
    const late = [...grown.slice(0, 3), [8, k0] as const, [10, k3] as const]
    expect(await refusedFor(await fileOf(late, k3, successions), vkeys[0])).toContain('had been succeeded before')
    expect(await refusedFor(await fileOf([...grown.slice(0, 3), [10, k0]], k3, successions), vkeys[0])).toContain(
      'had been succeeded before',
    )
  })

  test('that only a retired key vouches for is refused to a reader who has its successor', async () => {
    const lies = Array.from({ length: 10 }, (_, seq) => sealAuditEvent({ organizationId, seq, action: 'nothing' }))
    const lines = await fileOf([[10, k0]], k1, successions.slice(0, 1), lies)
    expect(await refusedFor(lines, vkeys[1])).toContain('succeeded')
    // The limit: to a reader who never heard of the successor it is the platform's word (docs/decisions/0015).
    expect(await verify(lines, vkeys[0])).toMatchObject({ ok: true })
  })

  test('shows its head to a reader of any of its keys, and not to one of a newer key', async () => {
    const head: LogHead = { note: await note(8, k2), verifier: vkeys[2]!, successions: successions.slice(0, 2) }
    for (const [pinned, handovers] of [
      [0, 2],
      [1, 1],
      [2, 0],
    ] as const)
      expect(await verifyLogHead(head, { origin, trustedVerifier: vkeys[pinned]! })).toMatchObject({
        checkpoint: { size: 8 },
        verifier: vkeys[2],
        handovers,
      })
    await expect(verifyLogHead(head, { origin, trustedVerifier: vkeys[3]! })).rejects.toMatchObject({
      code: 'verifier_chain',
    })
    const old: LogHead = { note: await note(8, k0), verifier: vkeys[2]!, successions: successions.slice(0, 2) }
    await expect(verifyLogHead(old, { origin, trustedVerifier: vkeys[1]! })).rejects.toMatchObject({
      code: 'verifier_chain',
    })
  })

  test('never passes with any character of its statements changed', async () => {
    const lines = await fileOf(grown, k3, successions)
    const header = JSON.parse(lines[0]!) as { successions: string[] }
    await fc.assert(
      fc.asyncProperty(fc.nat(2), fc.nat(400), fc.nat(2), async (which, column, pinned) => {
        const statement = header.successions[which]!
        const place = column % statement.length
        const other = statement[place] === 'A' ? 'B' : 'A'
        const altered = statement.slice(0, place) + other + statement.slice(place + 1)
        const changed = { ...header, successions: header.successions.with(which, altered) }
        expect((await verify(lines.with(0, JSON.stringify(changed)), vkeys[pinned])).ok).toBe(false)
      }),
      { numRuns: 150 },
    )
  })
})
