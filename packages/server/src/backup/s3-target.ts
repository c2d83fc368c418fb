import { createHash } from 'node:crypto'
import { parseArchiveName } from './archive-name.ts'
import { BackupError } from './backup-error.ts'
import {
  isRefusal,
  placeOf,
  type S3Call,
  type S3Options,
  type S3Refusal,
  type S3Request,
  s3Requests,
} from './s3-request.ts'
import { type BackupTarget, newestFirst, requireArchiveName, type StoredArchive } from './targets.ts'

const PART_BYTES = 16 * 1024 * 1024
const MAX_PARTS = 10_000

type Part = { readonly etag: string; readonly checksum: string }

/**
 * S3-compatible storage. An archive goes up in parts of which one is in memory, each with its SHA-256, and appears under
 * its name only once all are there; an upload that fails is taken back.
 * @throws BackupError `target_invalid`
 */
export function s3Target(options: S3Options): BackupTarget {
  const request = s3Requests(options)
  const place = placeOf(options)
  const keyOf = (name: string): string => {
    requireArchiveName(name)
    return options.prefix + name
  }
  const must = async (call: S3Call): Promise<Response> => {
    const answer = await request(call)
    if (isRefusal(answer)) throw unexpected(place, answer)
    return answer
  }

  return {
    place,

    async put(name, archive) {
      const key = keyOf(name)
      const bytes = await upload(must, request, key, archive, options.partBytes ?? PART_BYTES, place)
      const stored = Number((await must({ method: 'HEAD', key })).headers.get('content-length'))
      if (stored === bytes) return bytes
      throw new BackupError(
        'target_unavailable',
        `The backup storage ${place} holds ${stored} bytes of ${name} where ${bytes} were sent.`,
      )
    },

    async open(name) {
      const first = await request({ method: 'GET', key: keyOf(name) })
      if (isRefusal(first)) throw new BackupError('archive_not_found', `There is no ${name} in ${place}.`)
      return download(must, keyOf(name), first, place)
    },

    async list() {
      const found: StoredArchive[] = []
      for (let token: string | undefined, more = true; more; ) {
        const query = {
          'list-type': '2',
          prefix: options.prefix,
          ...(token === undefined ? {} : { 'continuation-token': token }),
        }
        const xml = await (await must({ method: 'GET', key: '', query })).text()
        found.push(...listed(xml, options.prefix))
        token = textOf(xml, 'NextContinuationToken')
        more = token !== undefined && textOf(xml, 'IsTruncated') === 'true'
      }
      return found.sort(newestFirst)
    },

    async remove(name) {
      await request({ method: 'DELETE', key: keyOf(name) })
    },
  }
}

type Must = (call: S3Call) => Promise<Response>

async function upload(
  must: Must,
  request: S3Request,
  key: string,
  archive: AsyncIterable<Uint8Array>,
  partBytes: number,
  place: string,
): Promise<number> {
  let uploadId: string | undefined
  const parts: Part[] = []
  let total = 0
  try {
    for await (const { part, last } of inParts(archive, partBytes)) {
      total += part.length
      if (last && parts.length === 0) {
        await must({ method: 'PUT', key, body: part, headers: { 'x-amz-checksum-sha256': checksumOf(part) } })
        return total
      }
      if (parts.length >= MAX_PARTS) {
        throw new BackupError(
          'target_invalid',
          `The archive has more than ${MAX_PARTS} parts of ${partBytes} bytes: choose a larger part size for ${place}.`,
        )
      }
      uploadId ??= await begin(must, key, place)
      parts.push(await sendPart(must, key, uploadId, parts.length + 1, part))
    }
    if (uploadId !== undefined) await complete(request, key, uploadId, parts, place)
    return total
  } catch (error) {
    // Parts that nobody completes are paid for, and shown nowhere.
    if (uploadId !== undefined) await request({ method: 'DELETE', key, query: { uploadId } }).catch(() => undefined)
    throw error
  }
}

async function begin(must: Must, key: string, place: string): Promise<string> {
  const headers = { 'x-amz-checksum-algorithm': 'SHA256', 'content-type': 'application/octet-stream' }
  const xml = await (await must({ method: 'POST', key, query: { uploads: '' }, headers })).text()
  const uploadId = textOf(xml, 'UploadId')
  if (uploadId !== undefined) return uploadId
  throw new BackupError('target_unavailable', `The backup storage ${place} gives an upload no id: is it S3-compatible?`)
}

async function sendPart(must: Must, key: string, uploadId: string, number: number, part: Uint8Array): Promise<Part> {
  const checksum = checksumOf(part)
  const response = await must({
    method: 'PUT',
    key,
    query: { partNumber: String(number), uploadId },
    headers: { 'x-amz-checksum-sha256': checksum },
    body: part,
  })
  return { etag: response.headers.get('etag') ?? '', checksum }
}

async function complete(
  request: S3Request,
  key: string,
  uploadId: string,
  parts: readonly Part[],
  place: string,
): Promise<void> {
  const list = parts.map(
    ({ etag, checksum }, at) =>
      `<Part><PartNumber>${at + 1}</PartNumber><ETag>${escaped(etag)}</ETag><ChecksumSHA256>${checksum}</ChecksumSHA256></Part>`,
  )
  const body = Buffer.from(
    `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${list.join('')}</CompleteMultipartUpload>`,
  )
  const answer = await request({
    method: 'POST',
    key,
    query: { uploadId },
    headers: { 'content-type': 'application/xml' },
    body,
  })
  // An upload that is gone was completed by an attempt whose answer was lost; the size is compared afterwards.
  if (isRefusal(answer) && answer.code === 'NoSuchUpload') return
  if (isRefusal(answer)) throw unexpected(place, answer)
  // The answer begins before the work is done: a failure may come under status 200.
  const code = textOf(await answer.text(), 'Code')
  if (code !== undefined)
    throw new BackupError(
      'target_unavailable',
      `The backup storage ${place} could not put the parts together (${code}).`,
    )
}

/** Goes on where a lost connection left off, as long as it is the same object and something still arrives. */
async function* download(must: Must, key: string, first: Response, place: string): AsyncGenerator<Uint8Array> {
  const etag = first.headers.get('etag')
  let response = first
  for (let at = 0, before = -1; ; ) {
    try {
      for await (const piece of response.body ?? []) {
        yield piece
        at += piece.length
      }
      return
    } catch (cause) {
      if (at === before || etag === null)
        throw new BackupError('target_unavailable', `The connection to the backup storage ${place} is lost.`, { cause })
      before = at
    }
    response = await must({ method: 'GET', key, headers: { range: `bytes=${at}-`, 'if-match': etag } })
    // A service that knows no ranges begins again from the start.
    if (response.status !== 206)
      throw new BackupError('target_unavailable', `The connection to the backup storage ${place} is lost.`)
  }
}

/** Parts of exactly this size but the last; the memory of each is the next one's. */
async function* inParts(
  archive: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<{ readonly part: Uint8Array; readonly last: boolean }> {
  const buffer = Buffer.allocUnsafe(size)
  let filled = 0
  for await (const piece of archive) {
    for (let at = 0; at < piece.length; ) {
      // Only once more has come is it certain that a full part is not the last.
      if (filled === size) {
        yield { part: buffer, last: false }
        filled = 0
      }
      const taken = Math.min(size - filled, piece.length - at)
      buffer.set(piece.subarray(at, at + taken), filled)
      filled += taken
      at += taken
    }
  }
  yield { part: buffer.subarray(0, filled), last: true }
}

const checksumOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('base64')

/** Objects of ours; names of their shape need no unescaping. */
function listed(xml: string, prefix: string): StoredArchive[] {
  return [...xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)].flatMap(([, entry = '']) => {
    const key = textOf(entry, 'Key') ?? ''
    const named = key.startsWith(prefix) ? parseArchiveName(key.slice(prefix.length)) : null
    return named === null ? [] : [{ ...named, bytes: Number(textOf(entry, 'Size')) }]
  })
}

function textOf(xml: string, element: string): string | undefined {
  const text = new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1]
  return text?.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

const unexpected = (place: string, { status, code }: S3Refusal) =>
  new BackupError('target_refuses', `The backup storage ${place} answers ${status} ${code}: is it S3-compatible?`)
