import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Secret } from '@redoubt/trust'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  archiveName,
  BackupError,
  type BackupTarget,
  folderTarget,
  type S3Options,
  s3Target,
} from '../src/backup/index.ts'
import { type S3Service, s3Account, startS3Service } from './s3-service.ts'

const folders: string[] = []
const newFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), 'redoubt-backups-'))
  folders.push(folder)
  return folder
}
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const MIB = 1024 * 1024
const newName = (at = '2026-01-02T03:04:05Z') => archiveName(new Date(at), randomUUID())
async function* pieces(bytes: Uint8Array, size = 65_552): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
async function whole(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(part)
  return Buffer.concat(parts)
}
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
async function refusal(attempt: Promise<unknown>): Promise<string> {
  const error = await attempt.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof BackupError)) throw new Error(`not refused by us: ${String(error)}`, { cause: error })
  return `${error.code}: ${error.message}`
}

const bucketFolder = newFolder()
let service: S3Service
let s3Options: S3Options
beforeAll(async () => {
  service = await startS3Service(bucketFolder)
  s3Options = {
    endpoint: service.endpoint,
    region: s3Account.region,
    bucket: s3Account.bucket,
    prefix: 'redoubt/',
    accessKeyId: s3Account.accessKeyId,
    secretAccessKey: new Secret(s3Account.secret),
    partBytes: 5 * MIB,
    pause: async () => undefined,
  }
})
afterAll(() => service?.stop())

/** A wire to the service that cuts connections as it is told to. */
async function wire(cut: (socket: Socket, number: number) => void): Promise<{ endpoint: string; server: Server }> {
  let number = 0
  const server = createServer((socket) => {
    number += 1
    const onward = connect(service.port, '127.0.0.1')
    socket.on('error', () => onward.destroy())
    onward.on('error', () => socket.destroy())
    socket.on('close', () => onward.destroy())
    socket.pipe(onward).pipe(socket)
    cut(socket, number)
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  return { endpoint: `http://127.0.0.1:${portOf(server)}`, server }
}
const portOf = (server: Server) => (server.address() as AddressInfo).port

describe.each([
  ['a folder, as a place for archives,', () => folderTarget(join(newFolder(), 'deep', 'down'))],
  ['S3-compatible storage, as a place for archives,', () => s3Target({ ...s3Options, prefix: `${randomUUID()}/` })],
] as const)('%s', (_what, make) => {
  let target: BackupTarget
  beforeAll(() => {
    target = make()
  })

  test.each([1, 300_000, 5 * MIB, 5 * MIB + 1, 17 * MIB])(
    'gives an archive of %i bytes back as it was',
    async (size) => {
      const name = newName()
      const bytes = randomBytes(size)
      expect(await target.put(name, pieces(bytes))).toBe(size)
      expect(sha256(await whole(await target.open(name)))).toBe(sha256(bytes))
      expect((await target.list()).find((each) => each.name === name)?.bytes).toBe(size)
    },
  )

  test('lists the newest first, and removes one alone, twice without complaint', async () => {
    const names = [newName('2026-02-01T00:00:00Z'), newName('2026-02-03T00:00:00Z'), newName('2026-02-02T00:00:00Z')]
    for (const name of names) await target.put(name, pieces(randomBytes(10)))
    const listed = async () => (await target.list()).map(({ name }) => name).filter((name) => names.includes(name))
    expect(await listed()).toEqual([names[1], names[2], names[0]])
    await target.remove(names[2] as string)
    await target.remove(names[2] as string)
    expect(await listed()).toEqual([names[1], names[0]])
  })

  test('shows nothing of an archive that failed on the way, and passes on why', async () => {
    const name = newName()
    async function* failing() {
      yield* pieces(randomBytes(11 * MIB))
      throw new Error('the database went away')
    }
    await expect(target.put(name, failing())).rejects.toThrow('the database went away')
    expect((await target.list()).map((each) => each.name)).not.toContain(name)
    expect(await refusal(target.open(name))).toMatch(/^archive_not_found/)
    // Parts that nobody completes would be paid for, and shown nowhere.
    expect(service.openUploads.size).toBe(0)
  })

  test('touches nothing that is not named like an archive', async () => {
    for (const name of ['notes.txt', '../../etc/passwd', '', `${newName()}.part`, `a/${newName()}`]) {
      expect(await refusal(target.put(name, pieces(randomBytes(1))))).toMatch(/^target_invalid/)
      expect(await refusal(target.open(name))).toMatch(/^target_invalid/)
      expect(await refusal(target.remove(name))).toMatch(/^target_invalid/)
    }
  })
})

describe('a folder', () => {
  test('holds archives that only their owner reads, and no half of one', async () => {
    const folder = newFolder()
    const name = newName()
    await folderTarget(folder).put(name, pieces(randomBytes(100)))
    expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual([name])
  })
  test("lists no other's file, no folder and no half of an archive", async () => {
    const folder = newFolder()
    await writeFile(join(folder, 'notes.txt'), '')
    await writeFile(join(folder, `${newName()}.part`), '')
    await mkdir(join(folder, newName()))
    await symlink('/nowhere', join(folder, newName()))
    expect(await folderTarget(folder).list()).toEqual([])
  })
  test('that cannot be used says so in a sentence', async () => {
    const file = join(newFolder(), 'file')
    await writeFile(file, '')
    expect(await refusal(folderTarget(join(file, 'below')).put(newName(), pieces(randomBytes(1))))).toMatch(
      /^target_unavailable: The backup folder .* cannot be used: a file is in its place/,
    )
    expect(await refusal(folderTarget(file).put(newName(), pieces(randomBytes(1))))).toMatch(/a file is in its place/)
    expect(await folderTarget(join(newFolder(), 'not-yet')).list()).toEqual([])
  })
})

describe('S3-compatible storage', () => {
  test('with a wrong secret is refused with what to check, and without the secret', async () => {
    const target = s3Target({ ...s3Options, secretAccessKey: new Secret('not-the-secret') })
    const message = await refusal(target.put(newName(), pieces(randomBytes(10))))
    expect(message).toMatch(/^target_refuses: .*SignatureDoesNotMatch/)
    expect(message).not.toContain('not-the-secret')
    expect(await refusal(target.list())).toMatch(/^target_refuses/)
  })

  test('with an unknown access key is refused', async () => {
    expect(await refusal(s3Target({ ...s3Options, accessKeyId: 'SOMEBODY' }).list())).toMatch(
      /^target_refuses: .*InvalidAccessKeyId/,
    )
  })

  test('in another region than the one given is refused', async () => {
    expect(await refusal(s3Target({ ...s3Options, region: 'us-west-2' }).list())).toMatch(
      /^target_refuses: .*AuthorizationHeaderMalformed/,
    )
  })

  test('without the bucket says to make it', async () => {
    const target = s3Target({ ...s3Options, bucket: 'elsewhere' })
    expect(await refusal(target.list())).toMatch(/has no bucket "elsewhere": make it/)
    expect(await refusal(target.put(newName(), pieces(randomBytes(12 * MIB))))).toMatch(/^target_refuses/)
    expect(await refusal(target.open(newName()))).toMatch(/^target_refuses/)
  })

  test('takes a part again that was cut off on the way', async () => {
    const { endpoint, server } = await wire((socket, number) => {
      let passed = 0
      socket.on('data', (data: Buffer) => {
        passed += data.length
        if (number <= 3 && passed > 2 * MIB) socket.destroy()
      })
    })
    const target = s3Target({ ...s3Options, endpoint })
    const name = newName()
    const bytes = randomBytes(12 * MIB)
    expect(await target.put(name, pieces(bytes))).toBe(bytes.length)
    expect(sha256(await whole(await s3Target(s3Options).open(name)))).toBe(sha256(bytes))
    server.close()
  })

  test('gives up after some attempts, takes the upload back, and says what was wrong', async () => {
    let cutting = false
    const { endpoint, server } = await wire((socket) => {
      let passed = 0
      socket.on('data', (data: Buffer) => {
        passed += data.length
        if (passed > 2 * MIB) cutting = true
        if (cutting && passed > 2 * MIB) socket.destroy()
      })
    })
    const target = s3Target({ ...s3Options, endpoint })
    const name = newName()
    expect(await refusal(target.put(name, pieces(randomBytes(12 * MIB))))).toMatch(
      /^target_unavailable: .* after 5 attempts/,
    )
    expect((await s3Target(s3Options).list()).map((each) => each.name)).not.toContain(name)
    expect(service.openUploads.size).toBe(0)
    server.close()
  })

  test('goes on with an archive whose connection was lost half-way', async () => {
    const name = newName()
    const bytes = randomBytes(8 * MIB)
    await s3Target(s3Options).put(name, pieces(bytes))
    let cuts = 0
    const { endpoint, server } = await wire((socket, number) => {
      if (number > 2) return
      const write = socket.write.bind(socket)
      let passed = 0
      socket.write = ((data: Buffer, ...rest: []) => {
        passed += data.length
        if (passed <= 2 * MIB) return write(data, ...rest)
        cuts += 1
        socket.destroy()
        return false
      }) as typeof socket.write
    })
    const target = s3Target({ ...s3Options, endpoint })
    expect(sha256(await whole(await target.open(name)))).toBe(sha256(bytes))
    expect(cuts).toBeGreaterThan(0)
    server.close()
  })

  test('that sends its callers elsewhere is not followed: the signed request stays here', async () => {
    const asked: string[] = []
    const elsewhere = createHttpServer((request, response) => {
      asked.push(request.url ?? '')
      response.end()
    })
    const door = createHttpServer((_request, response) => {
      response.writeHead(307, { location: `http://127.0.0.1:${portOf(elsewhere)}/taken` }).end()
    })
    for (const server of [elsewhere, door]) await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
    const target = s3Target({ ...s3Options, endpoint: `http://127.0.0.1:${portOf(door)}` })
    expect(await refusal(target.put(newName(), pieces(randomBytes(10))))).toMatch(/^target_refuses: .*from elsewhere/)
    expect(asked).toEqual([])
    for (const server of [elsewhere, door]) server.close()
  })

  test('that cannot be reached at all says so', async () => {
    expect(await refusal(s3Target({ ...s3Options, endpoint: 'http://127.0.0.1:9' }).list())).toMatch(
      /^target_unavailable: .*cannot be reached after 5 attempts/,
    )
  })

  test('lists more archives than one answer holds, and none of others', async () => {
    const prefix = `${randomUUID()}/`
    const target = s3Target({ ...s3Options, prefix })
    const names = Array.from({ length: 11 }, () => newName())
    for (const name of names) await target.put(name, pieces(randomBytes(1)))
    expect((await target.list()).map(({ name }) => name).sort()).toEqual(names.sort())
    expect((await s3Target({ ...s3Options, prefix: 'nobody/' }).list()).length).toBe(0)
  })

  test.each([
    ['http://s3.example.org', /would be reached without TLS/],
    ['http://127.0.0.1.example.org', /would be reached without TLS/],
    ['http://10.0.0.1', /would be reached without TLS/],
    ['ftp://s3.example.org', /would be reached without TLS/],
    ['https://user:password@s3.example.org', /is no endpoint/],
    ['https://s3.example.org/bucket', /is no endpoint/],
    ['s3.example.org', /is no endpoint/],
  ])('at %s is refused before anything is sent', (endpoint, sentence) => {
    expect(() => s3Target({ ...s3Options, endpoint })).toThrow(sentence)
  })

  test.each([
    [{ bucket: 'Backups/../x' }, /no name of a bucket/],
    [{ prefix: '../' }, /no prefix/],
    [{ prefix: 'no-slash' }, /no prefix/],
    [{ partBytes: 100 }, /no parts of 100 bytes/],
  ])('with %j is refused', (over, sentence) => {
    expect(() => s3Target({ ...s3Options, ...over })).toThrow(sentence)
  })
})
