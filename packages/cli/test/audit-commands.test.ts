import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  auditFileLines,
  Frontier,
  formatVerifierKey,
  generateSigningKey,
  noteVerifierOf,
  type SigningKey,
  sealAuditEvent,
  signCheckpoint,
  signSuccession,
} from '@redoubt/trust'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exportAudit, verifyAuditCommand } from '../src/audit-commands.ts'

const organizationId = '0a1f2e3d-0000-4000-8000-00000000000a'
const origin = `redoubt.local/${organizationId}/audit`
const key = generateSigningKey('Ed25519')
const verifier = formatVerifierKey(await noteVerifierOf(origin, key))

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'redoubt-audit-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

type Signed = { signer?: SigningKey; header?: { verifier: string; successions?: string[] } }
async function logText(actorName = 'Ada', { signer = key, header = { verifier } }: Signed = {}): Promise<string> {
  const events = [0, 1, 2].map((seq) => sealAuditEvent({ organizationId, seq, actor: { name: actorName } }))
  const tree = new Frontier()
  for (const { leaf } of events) tree.push(leaf)
  const note = await signCheckpoint({ origin, size: 3, root: tree.root() }, signer)
  const lines = await Array.fromAsync(
    auditFileLines({ organizationId, origin, ...header, exportedAt: new Date(0) }, events, [note]),
  )
  return lines.map((line) => `${line}\n`).join('')
}

async function verify(text: string | Uint8Array, options: { json?: boolean; key?: string } = {}) {
  const file = join(folder, 'log.ndjson')
  await writeFile(file, text)
  const printed: string[] = []
  const code = await verifyAuditCommand(file, { ...options, print: (line) => printed.push(line) })
  return { code, printed: printed.join('\n') }
}

describe('audit verify', () => {
  test('ends with 0 and says how much is whole, and whose key it believed', async () => {
    const alone = await verify(await logText())
    expect(alone).toMatchObject({
      code: 0,
      printed: expect.stringMatching(/verifies: 3 events .*\n.*\nThe key was taken from the file itself/),
    })
    const pinned = await verify(await logText(), { key: `${verifier}\n` })
    expect(pinned).toMatchObject({ code: 0, printed: expect.stringContaining('signed with the key you gave') })
  })

  test('ends with 1 and names the event that was altered', async () => {
    const text = await logText()
    expect(await verify(text.replace('Ada', 'Eve'))).toMatchObject({
      code: 1,
      printed: expect.stringContaining('Event 0 was altered'),
    })
  })

  test('with --json ends with one line of JSON', async () => {
    const whole = await verify(await logText(), { json: true })
    expect(JSON.parse(whole.printed)).toMatchObject({ ok: true, events: 3, verifierFrom: 'file' })
    const cut = await verify((await logText()).split('\n').toSpliced(2, 1).join('\n'), { json: true })
    expect(JSON.parse(cut.printed)).toMatchObject({ ok: false, seq: 1 })
  })

  test('refuses another key than the trusted one', async () => {
    const other = formatVerifierKey(await noteVerifierOf(origin, generateSigningKey('Ed25519')))
    expect(await verify(await logText(), { key: other })).toMatchObject({
      code: 1,
      printed: expect.stringContaining('another signing key'),
    })
  })

  test('with a key of before a rotation follows the signed succession, and says which key to keep', async () => {
    const next = generateSigningKey('Ed25519')
    const newest = formatVerifierKey(await noteVerifierOf(origin, next))
    const successions = [await signSuccession(key, next, new Date(0))]
    const text = await logText('Ada', { signer: next, header: { verifier: newest, successions } })
    const followed = await verify(text, { key: verifier })
    expect(followed).toMatchObject({ code: 0, printed: expect.stringContaining('followed by 1 other') })
    expect(followed.printed).toContain(newest)
    const withheld = await logText('Ada', { signer: next, header: { verifier: newest } })
    expect(await verify(withheld, { key: verifier })).toMatchObject({ code: 1 })
  })

  test('reads a name with U+2028, which is no end of a line', async () => {
    expect(await verify(await logText('Ada\u2028Lovelace'))).toMatchObject({ code: 0 })
  })

  test.each([
    ['is not UTF-8', Uint8Array.of(0x7b, 0xff, 0x0a)],
    ['has a line without end', 'x'.repeat(9 * 1024 * 1024)],
  ])('ends with 2 for a file that %s', async (_, text) => {
    expect(await verify(text)).toMatchObject({ code: 2, printed: expect.stringContaining('cannot be read') })
  })

  test('ends with 2 for a file that is not there', async () => {
    const printed: string[] = []
    expect(await verifyAuditCommand(join(folder, 'none'), { print: (line) => printed.push(line) })).toBe(2)
    expect(printed.join()).toContain('cannot be read')
  })
})

describe('audit export', () => {
  /** The api service's edge of the network. */
  async function serving<T>(answer: (response: ServerResponse) => void, use: (url: string) => Promise<T>): Promise<T> {
    const server = createServer((_, response) => answer(response))
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    try {
      return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }
  const ndjson = { 'content-type': 'application/x-ndjson' }

  test('saves the whole file, readable by its owner alone', async () => {
    const text = await logText()
    const out = join(folder, 'whole.ndjson')
    await serving(
      (response) => response.writeHead(200, ndjson).end(text),
      (url) => exportAudit({ url, token: 't', out }),
    )
    expect(await readFile(out, 'utf8')).toBe(text)
    expect((await stat(out)).mode & 0o777).toBe(0o600)
    expect(await verifyAuditCommand(out, { print: () => undefined })).toBe(0)
  })

  test('saves nothing when the stream breaks off', async () => {
    const out = join(folder, 'broken.ndjson')
    const breakOff = (response: ServerResponse) => {
      response.writeHead(200, ndjson)
      response.write('{"format"', () => response.destroy())
    }
    await expect(serving(breakOff, (url) => exportAudit({ url, token: 't', out }))).rejects.toThrow('broke off')
    expect((await readdir(folder)).filter((name) => name.startsWith('broken'))).toEqual([])
  })

  test('never writes over an earlier export', async () => {
    const out = join(folder, 'kept.ndjson')
    await writeFile(out, 'kept')
    await expect(exportAudit({ url: 'http://127.0.0.1:1', token: 't', out })).rejects.toThrow('exists already')
    expect(await readFile(out, 'utf8')).toBe('kept')
  })

  test('hands on the refusal of the platform', async () => {
    const problem = {
      type: '/problems/forbidden',
      title: 'Not allowed',
      status: 403,
      detail: 'Your role does not include audit:export.',
      code: 'forbidden',
      requestId: 'r',
    }
    const refuse = (response: ServerResponse) =>
      response.writeHead(403, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem))
    await expect(
      serving(refuse, (url) => exportAudit({ url, token: 't', out: join(folder, 'x') })),
    ).rejects.toMatchObject({ code: 'forbidden' })
  })

  test('does not save the page of something that is not the api service', async () => {
    const page = (response: ServerResponse) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Hello</h1>')
    await expect(serving(page, (url) => exportAudit({ url, token: 't', out: join(folder, 'y') }))).rejects.toThrow(
      'did not answer with an audit log',
    )
  })
})
