import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import S3rver from 's3rver'

/*
 * s3rver keeps objects and knows the protocol, but takes any Signature Version 4 and any body for its hash. In front of it
 * stands this door, which recomputes both as the service's documentation says, lists in pages, and takes uploads
 * back.
 */

export const s3Account = { accessKeyId: 'S3RVER', secret: 'S3RVER', region: 'eu-central-1', bucket: 'backups' } as const
const PAGE = 4

export type S3Service = {
  readonly port: number
  readonly endpoint: string
  /** Ids of the uploads that were begun, and neither completed nor taken back. */
  readonly openUploads: ReadonlySet<string>
  stop(): Promise<void>
}

/** @param directory where the objects lie. */
export async function startS3Service(directory: string): Promise<S3Service> {
  const inner = new S3rver({
    port: 0,
    address: '127.0.0.1',
    silent: true,
    directory,
    vhostBuckets: false,
    configureBuckets: [{ name: s3Account.bucket, configs: [] }],
  })
  const { port: innerPort } = await inner.run()
  const openUploads = new Set<string>()
  const door = createServer((request, response) => {
    void answer(request, response, innerPort, openUploads).catch(() => response.destroy())
  })
  await new Promise<void>((ready) => door.listen(0, '127.0.0.1', ready))
  const { port } = door.address() as AddressInfo
  return {
    port,
    endpoint: `http://127.0.0.1:${port}`,
    openUploads,
    async stop() {
      door.closeAllConnections()
      await new Promise((closed) => door.close(closed))
      await inner.close()
    },
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  innerPort: number,
  openUploads: Set<string>,
): Promise<void> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece)
  const body = Buffer.concat(pieces)
  const refused = refusalOf(request, body)
  if (refused !== null) {
    response.writeHead(refused === 'BadDigest' || refused === 'XAmzContentSHA256Mismatch' ? 400 : 403)
    response.end(`<?xml version="1.0"?><Error><Code>${refused}</Code></Error>`)
    return
  }
  const url = new URL(request.url ?? '/', `http://127.0.0.1:${innerPort}`)
  const uploadId = url.searchParams.get('uploadId')
  if (request.method === 'DELETE' && uploadId !== null) {
    response.writeHead(openUploads.delete(uploadId) ? 204 : 404).end()
    return
  }
  const paged = url.searchParams.get('list-type') === '2'
  if (paged) {
    // Its own continuation tokens need a cipher that OpenSSL has dropped; those of the older listing are keys.
    url.searchParams.delete('list-type')
    url.searchParams.set('marker', url.searchParams.get('continuation-token') ?? '')
    url.searchParams.delete('continuation-token')
    url.searchParams.set('max-keys', String(PAGE))
  }
  const headers = Object.fromEntries(
    Object.entries(request.headers).filter(([name]) => ['range', 'if-match', 'content-type'].includes(name)),
  ) as Record<string, string>
  const inner = await fetch(url, {
    method: request.method ?? 'GET',
    headers,
    ...(body.length > 0 ? { body } : {}),
  })
  let bytes: Uint8Array = new Uint8Array(await inner.arrayBuffer())
  const begun = /<UploadId>(.*?)<\/UploadId>/.exec(Buffer.from(bytes.subarray(0, 10_000)).toString())?.[1]
  if (request.method === 'POST' && begun !== undefined) openUploads.add(begun)
  if (request.method === 'POST' && uploadId !== null && inner.ok) openUploads.delete(uploadId)
  if (paged && inner.ok) {
    const xml = Buffer.from(bytes).toString()
    const last = [...xml.matchAll(/<Key>([^<]*)<\/Key>/g)].at(-1)?.[1] ?? ''
    bytes = Buffer.from(
      xml.replace('</ListBucketResult>', `<NextContinuationToken>${last}</NextContinuationToken></ListBucketResult>`),
    )
  }
  const passed = ['etag', 'content-range', 'content-type'].flatMap((name) => {
    const value = inner.headers.get(name)
    return value === null ? [] : [[name, value] as const]
  })
  const length = request.method === 'HEAD' ? (inner.headers.get('content-length') ?? '0') : String(bytes.length)
  response.writeHead(inner.status, { ...Object.fromEntries(passed), 'content-length': length })
  response.end(request.method === 'HEAD' ? undefined : bytes)
}

/** What the service would refuse the request for: "Authenticating Requests: Using the Authorization Header". */
function refusalOf(request: IncomingMessage, body: Buffer): string | null {
  const { headers } = request
  const shape =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/
  const match = shape.exec(headers.authorization ?? '')
  if (match === null) return 'AccessDenied'
  const [, accessKeyId, day, region, signed, signature] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  if (accessKeyId !== s3Account.accessKeyId) return 'InvalidAccessKeyId'
  if (region !== s3Account.region) return 'AuthorizationHeaderMalformed'
  const names = signed.split(';')
  if (
    !names.includes('host') ||
    Object.keys(headers).some((name) => name.startsWith('x-amz-') && !names.includes(name))
  )
    return 'AccessDenied'
  const at = String(headers['x-amz-date'])
  const sent = Date.parse(at.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  if (!(Math.abs(Date.now() - sent) < 15 * 60_000)) return 'RequestTimeTooSkewed'
  const url = new URL(request.url ?? '/', 'http://host')
  const canonical = [
    request.method,
    url.pathname,
    [...url.searchParams]
      .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
      .sort()
      .join('&'),
    ...names.map((name) => `${name}:${String(headers[name]).trim()}`),
    '',
    signed,
    headers['x-amz-content-sha256'],
  ].join('\n')
  const scope = `${day}/${region}/s3/aws4_request`
  const text = ['AWS4-HMAC-SHA256', at, scope, hex(canonical)].join('\n')
  const key = [day, region, 's3', 'aws4_request'].reduce<Buffer>(hmac, Buffer.from(`AWS4${s3Account.secret}`))
  if (!timingSafeEqual(hmac(key, text), Buffer.from(signature, 'hex'))) return 'SignatureDoesNotMatch'
  if (headers['x-amz-content-sha256'] !== hex(body)) return 'XAmzContentSHA256Mismatch'
  const checksum = headers['x-amz-checksum-sha256']
  if (checksum !== undefined && checksum !== createHash('sha256').update(body).digest('base64')) return 'BadDigest'
  return null
}

const hex = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex')
const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
