import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ArchiveContent, defaultArchiveLimits, readArchive, sealArchive } from './archive.ts'
import { type BackupKeys, openChunks, sealChunks } from './archive-chunks.ts'
import { frame, manifestFrame } from './archive-frames.ts'
import type { ArchiveManifest } from './archive-manifest.ts'
import { signManifest } from './archive-manifest.ts'
import { Secret } from './secret.ts'
import { generateSigningKey } from './signing-key.ts'
import { TrustError } from './trust-error.ts'

const newKeys = (id = 'backup-1'): BackupKeys => {
  const signer = generateSigningKey('Ed25519')
  return { id, key: new Secret(randomBytes(32)), signer, verifier: signer }
}
const keys = newKeys()
const CHUNK = 65_536 + 16
const facts = { product: '1.2.3', migrations: [], queueMigration: 19, tables: [], sequences: [] }
const id = '0193a5b0-0000-7000-8000-000000000001'
const createdAt = new Date('2026-01-02T03:04:05.000Z')

type Files = Readonly<Record<string, Uint8Array>>
function contentOf(files: Files, archiveId = id): ArchiveContent {
  async function* entries() {
    for (const [name, bytes] of Object.entries(files)) yield { name, data: stream(bytes), rows: () => null }
  }
  return { id: archiveId, createdAt, facts, entries: entries() }
}
/** In slices of a few sizes, as a disk or a network might give them. */
async function* stream(bytes: Uint8Array, slice = 50_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += slice) yield bytes.subarray(at, at + slice)
}
async function whole(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(part)
  return Buffer.concat(parts)
}
const sealed = (files: Files, archiveId = id, by = keys) => whole(sealArchive(contentOf(files, archiveId), by))

async function opened(archive: Uint8Array, by = [keys], limits = defaultArchiveLimits) {
  const files: Record<string, Buffer> = {}
  const manifest = await readArchive(
    stream(archive),
    by,
    async (name, data) => {
      files[name] = await whole(data)
    },
    limits,
  )
  return { manifest, files }
}
/** The code an archive is refused with; 'opened' when it was not. */
async function refusal(archive: Uint8Array, by = [keys], limits = defaultArchiveLimits): Promise<string> {
  try {
    await opened(archive, by, limits)
    return 'opened'
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    expect(error.message).toMatch(/archive|backup/)
    return error.code
  }
}

const small = { 'tables/a': Buffer.from('one\ntwo\n'), 'home/keys.json': Buffer.from('{}') }
/** Incompressible, so that it has many chunks. */
const large = { 'tables/big': randomBytes(400_000), 'tables/empty': Buffer.alloc(0) }
const bodyStart = (archive: Buffer) => 18 + 4 + archive.readUInt32BE(18)
function chunksOf(archive: Buffer): { head: Buffer; chunks: Buffer[] } {
  const start = bodyStart(archive)
  const chunks: Buffer[] = []
  for (let at = start; at < archive.length; at += CHUNK) chunks.push(archive.subarray(at, at + CHUNK))
  return { head: archive.subarray(0, start), chunks }
}

describe('an archive', () => {
  test('gives back every entry byte for byte, whatever the sizes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200_000 }), { maxLength: 4 }), async (contents) => {
        const files = Object.fromEntries(contents.map((bytes, at) => [`tables/t${at}`, bytes]))
        const { manifest, files: read } = await opened(await sealed(files))
        expect(Object.keys(read)).toEqual(Object.keys(files))
        for (const [name, bytes] of Object.entries(files)) expect(read[name]?.equals(bytes)).toBe(true)
        expect(manifest.entries.map(({ bytes }) => bytes)).toEqual(contents.map(({ length }) => length))
      }),
      { numRuns: 25 },
    )
  })

  test('of a payload that fills its last chunk exactly opens', async () => {
    for (const size of [0, 1, 65_535, 65_536, 65_537, 131_072]) {
      const about = { archiveId: id, createdAt: createdAt.toISOString() }
      const archive = await whole(sealChunks(stream(randomBytes(size)), about, keys))
      const { plaintext } = await openChunks(stream(archive), [keys])
      expect((await whole(plaintext)).length).toBe(size)
    }
  })

  test('carries what the writer said of it, signed', async () => {
    const { manifest } = await opened(await sealed(small))
    expect(manifest).toMatchObject({ archiveId: id, createdAt: createdAt.toISOString(), product: '1.2.3' })
  })

  test('never shows what is inside, and seals the same content differently each time', async () => {
    const secret = Buffer.from('correct horse battery staple '.repeat(20))
    const [one, two] = [await sealed({ 'home/a': secret }), await sealed({ 'home/a': secret })]
    expect(one.includes('correct horse')).toBe(false)
    expect(one.subarray(bodyStart(one)).equals(two.subarray(bodyStart(two)))).toBe(false)
  })

  test('opens under an older backup key that is still kept', async () => {
    expect(await refusal(await sealed(small), [newKeys('backup-2'), keys])).toBe('opened')
  })

  test('may be left half read by who needs one entry, and is verified to its end nevertheless', async () => {
    const archive = await sealed(large)
    const read = await readArchive(stream(archive), [keys], async () => undefined)
    expect(read.entries).toHaveLength(2)
    const cut = archive.subarray(0, -1)
    await expect(readArchive(stream(cut), [keys], async () => undefined)).rejects.toThrow(TrustError)
  })
})

describe('an archive is refused', () => {
  test('with any single byte altered', async () => {
    const archive = await sealed(small)
    for (let at = 0; at < archive.length; at++) {
      const altered = Buffer.from(archive)
      altered[at] = (altered[at] as number) ^ (1 << (at % 8))
      expect(await refusal(altered), `byte ${at}`).not.toBe('opened')
    }
  })

  test('with any byte of a long one altered', async () => {
    const archive = await sealed(large)
    await fc.assert(
      fc.asyncProperty(fc.nat(archive.length - 1), fc.integer({ min: 1, max: 255 }), async (at, bits) => {
        const altered = Buffer.from(archive)
        altered[at] = (altered[at] as number) ^ bits
        expect(await refusal(altered)).not.toBe('opened')
      }),
      { numRuns: 60 },
    )
  })

  test('cut at any point', async () => {
    const archive = await sealed(small)
    for (let length = 0; length < archive.length; length++)
      expect(await refusal(archive.subarray(0, length)), `${length} bytes`).not.toBe('opened')
  })

  test('cut between two chunks, where nothing is left half', async () => {
    const { head, chunks } = chunksOf(await sealed(large))
    expect(chunks.length).toBeGreaterThan(5)
    for (let kept = 0; kept < chunks.length; kept++)
      expect(await refusal(Buffer.concat([head, ...chunks.slice(0, kept)]))).toBe('archive_damaged')
  })

  test('with chunks swapped, repeated, left out or added', async () => {
    const { head, chunks } = chunksOf(await sealed(large))
    const [first, second, third] = chunks as [Buffer, Buffer, Buffer]
    const rest = chunks.slice(3)
    for (const wrong of [
      [second, first, third, ...rest],
      [first, first, second, third, ...rest],
      [first, third, ...rest],
      [...chunks, third],
      [...chunks, rest.at(-1) as Buffer],
      [...chunks, Buffer.alloc(1)],
    ])
      expect(await refusal(Buffer.concat([head, ...wrong]))).toBe('archive_damaged')
  })

  test('with a chunk of another archive under the same backup key, also under a header with the same key', async () => {
    const [one, two] = [
      chunksOf(await sealed(large)),
      chunksOf(await sealed(large, '0193a5b0-0000-7000-8000-000000000002')),
    ]
    const mixed = [...one.chunks]
    mixed[2] = two.chunks[2] as Buffer
    expect(await refusal(Buffer.concat([one.head, ...mixed]))).toBe('archive_damaged')
    expect(await refusal(Buffer.concat([one.head, ...two.chunks]))).toBe('archive_damaged')
  })

  test('under another backup key, by name or by what it is, with the key it wants named', async () => {
    const archive = await sealed(small)
    expect(await refusal(archive, [newKeys('backup-2')])).toBe('archive_key')
    expect(await refusal(archive, [newKeys('backup-1')])).toBe('archive_key')
    expect(await refusal(archive, [])).toBe('archive_key')
    await expect(opened(archive, [newKeys('backup-2')])).rejects.toThrow(/"backup-1".*recovery file/)
  })

  test('when its manifest is signed by anybody else, though the backup key is right', async () => {
    const forger = { ...keys, signer: generateSigningKey('Ed25519') }
    expect(await refusal(await sealed(small, id, forger))).toBe('archive_manifest')
  })

  test('when it is something else', async () => {
    expect(await refusal(Buffer.from('PK\u0003\u0004 no archive of ours'))).toBe('archive_malformed')
    expect(await refusal(Buffer.alloc(0))).toBe('archive_malformed')
  })
})

describe('the sealed chunks by themselves, whatever is inside', () => {
  const about = { archiveId: id, createdAt: createdAt.toISOString() }
  /** The code, or how many bytes came out. */
  async function outcome(archive: Uint8Array): Promise<string | number> {
    try {
      return (await whole((await openChunks(stream(archive), [keys])).plaintext)).length
    } catch (error) {
      return error instanceof TrustError ? error.code : String(error)
    }
  }
  // The contents of all chunks are alike, so that nothing but the sealing can tell one from another.
  const alike = Buffer.alloc(5 * 65_536, 7)

  test('do not open cut between two of them', async () => {
    const { head, chunks } = chunksOf(await whole(sealChunks(stream(alike), about, keys)))
    expect(await outcome(Buffer.concat([head, ...chunks]))).toBe(alike.length)
    for (let kept = 0; kept < chunks.length; kept++)
      expect(await outcome(Buffer.concat([head, ...chunks.slice(0, kept)]))).toBe('archive_damaged')
  })

  test('do not open swapped, repeated or left out', async () => {
    const { head, chunks } = chunksOf(await whole(sealChunks(stream(alike), about, keys)))
    const [a, b, c, d, e] = chunks as [Buffer, Buffer, Buffer, Buffer, Buffer]
    for (const wrong of [
      [b, a, c, d, e],
      [a, a, b, c, d, e],
      [a, c, d, e],
      [a, b, c, d, e, e],
      [e, a, b, c, d],
    ])
      expect(await outcome(Buffer.concat([head, ...wrong]))).toBe('archive_damaged')
  })

  test('do not open under a header that says the same in another spelling', async () => {
    const { head, chunks } = chunksOf(await whole(sealChunks(stream(alike), about, keys)))
    const spaced = Buffer.concat([head.subarray(0, 22), Buffer.from(' '), head.subarray(22)])
    spaced.writeUInt32BE(spaced.length - 22, 18)
    expect(await outcome(Buffer.concat([spaced, ...chunks]))).toBe('archive_damaged')
  })
})

/** An archive by somebody who holds the backup key, and whose frames say what they like. */
async function forged(...frames: Uint8Array[]): Promise<Buffer> {
  const { createZstdCompress } = await import('node:zlib')
  const { Readable } = await import('node:stream')
  const about = { archiveId: id, createdAt: createdAt.toISOString() }
  const payload = Readable.from(frames).pipe(createZstdCompress())
  return whole(sealChunks(payload, about, keys))
}
const manifest: ArchiveManifest = {
  format: 'redoubt-backup/v1',
  archiveId: id,
  createdAt: createdAt.toISOString(),
  ...facts,
  entries: [],
}
const signed = (over: Partial<ArchiveManifest> = {}) =>
  manifestFrame(signManifest({ ...manifest, ...over }, keys.signer))
const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const alteredManifest = manifestFrame(signManifest(manifest, keys.signer).replace('1.2.3', '1.2.4'))
const entry = (name: string, ...data: string[]) => [
  frame('entry', Buffer.from(name)),
  ...data.map((text) => frame('data', Buffer.from(text))),
  frame('end'),
]

describe('what is inside is held to its manifest and its limits', () => {
  test('an empty archive opens', async () => {
    expect(await refusal(await forged(signed()))).toBe('opened')
  })
  test.each([
    ['an entry that the manifest does not know', [...entry('home/a', 'x'), signed()], 'archive_manifest'],
    [
      'an entry that the manifest knows and is not there',
      [signed({ entries: [{ name: 'home/a', bytes: 0, rows: null, sha256: '0'.repeat(64) }] })],
      'archive_manifest',
    ],
    [
      'an entry with another content',
      [
        ...entry('home/a', 'x'),
        signed({ entries: [{ name: 'home/a', bytes: 1, rows: null, sha256: '0'.repeat(64) }] }),
      ],
      'archive_manifest',
    ],
    ["another archive's manifest", [signed({ archiveId: '0193a5b0-0000-7000-8000-000000000009' })], 'archive_manifest'],
    ['no manifest', entry('home/a', 'x'), 'archive_damaged'],
    ['two manifests', [signed(), signed()], 'archive_damaged'],
    ['an entry after the manifest', [signed(), ...entry('home/a')], 'archive_damaged'],
    ['the same name twice', [...entry('home/a'), ...entry('home/a'), signed()], 'archive_damaged'],
    ['a name that leaves its folder', [...entry('home/../../etc/passwd'), signed()], 'archive_damaged'],
    ['an absolute name', [...entry('/etc/passwd'), signed()], 'archive_damaged'],
    ['an entry without an end', [frame('entry', Buffer.from('a')), signed()], 'archive_damaged'],
    ['data outside of an entry', [frame('data', Buffer.from('a')), signed()], 'archive_damaged'],
    ['a frame of no known kind', [Buffer.from([9, 0, 0, 0, 0]), signed()], 'archive_damaged'],
    ['a frame longer than any may be', [Buffer.from([2, 255, 255, 255, 255]), signed()], 'archive_damaged'],
    [
      'a frame longer than any may be, though all of it is there',
      [
        frame('entry', Buffer.from('a')),
        frame('data', Buffer.alloc(65_537)),
        frame('end'),
        signed({ entries: [{ name: 'a', bytes: 65_537, rows: null, sha256: sha256Of(Buffer.alloc(65_537)) }] }),
      ],
      'archive_damaged',
    ],
    ['a manifest that was altered after it was signed', [alteredManifest], 'archive_manifest'],
    ['half a frame', [signed(), Buffer.from([1, 0])], 'archive_damaged'],
  ] as const)('%s is refused', async (_what, frames, code) => {
    expect(await refusal(await forged(...frames))).toBe(code)
  })

  test('a compressed nothing ends at the limit, long before it is unfolded', async () => {
    const zeros = frame('data', Buffer.alloc(65_536))
    const bomb = await forged(frame('entry', Buffer.from('a')), ...Array.from({ length: 3000 }, () => zeros))
    expect(bomb.length).toBeLessThan(100_000)
    expect(await refusal(bomb, [keys], { maxBytes: 1_000_000, maxEntries: 10 })).toBe('archive_too_large')
  })

  test('more entries than the limit are refused', async () => {
    const limits = { maxBytes: 1_000_000, maxEntries: 1 }
    expect(await refusal(await sealed(small), [keys], limits)).toBe('archive_too_large')
  })

  test('a name that could not be read back is not written', async () => {
    await expect(sealed({ '../a': Buffer.alloc(1) })).rejects.toThrow(TrustError)
  })
})

describe('a failing source', () => {
  test('fails the writing with its own error, and is closed', async () => {
    let closed = false
    async function* entries() {
      try {
        yield { name: 'tables/a', data: stream(randomBytes(300_000)), rows: () => 1 }
        throw new Error('the database went away')
      } finally {
        closed = true
      }
    }
    await expect(whole(sealArchive({ id, createdAt, facts, entries: entries() }, keys))).rejects.toThrow(
      'the database went away',
    )
    expect(closed).toBe(true)
  })

  test('is closed when the writing is given up', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    async function* entries() {
      try {
        for (let at = 0; ; at++) yield { name: `tables/t${at}`, data: stream(randomBytes(300_000)), rows: () => 1 }
      } finally {
        resolve()
      }
    }
    let chunks = 0
    for await (const _chunk of sealArchive({ id, createdAt, facts, entries: entries() }, keys)) {
      chunks += 1
      if (chunks === 5) break
    }
    await promise
  })

  test('fails the reading with its own error', async () => {
    const archive = await sealed(large)
    async function* broken() {
      yield archive.subarray(0, 100_000)
      throw new Error('the network went away')
    }
    await expect(readArchive(broken(), [keys], async () => undefined)).rejects.toThrow('the network went away')
  })
})
