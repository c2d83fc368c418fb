import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { setTimeout as pauseMs } from 'node:timers/promises'
import type { Secret } from '@redoubt/trust'
import { AwsClient } from 'aws4fetch'
import { BackupError } from './backup-error.ts'

export type S3Options = {
  /** Such as `https://s3.eu-central-1.amazonaws.com`; http is for this machine alone. */
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  /** Folder within the bucket, empty or ending with `/`. */
  readonly prefix: string
  readonly accessKeyId: string
  readonly secretAccessKey: Secret<string>
  /** Size of an upload's parts, of which there are at most 10,000; at least 5 MiB. One part is held in memory. */
  readonly partBytes?: number
  /** Between attempts. */
  readonly pause?: (ms: number) => Promise<unknown>
}

export type S3Call = {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** Key within the bucket; empty for the bucket itself. */
  readonly key: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}
/** A refusal by the service that is not final for every caller. */
export type S3Refusal = { readonly status: number; readonly code: string }
export type S3Request = (call: S3Call) => Promise<Response | S3Refusal>

const ATTEMPTS = 5
const ATTEMPT_MS = 5 * 60_000

export const isRefusal = (answer: Response | S3Refusal): answer is S3Refusal => !(answer instanceof Response)

/**
 * Signed requests (AWS Signature Version 4) by path-style addresses. What was lost on the way or answered with 5xx is tried
 * five times; 404 is given back, and every other refusal thrown.
 * @throws BackupError `target_invalid` for options that cannot be used
 */
export function s3Requests(options: S3Options): S3Request {
  const root = rootOf(options)
  const place = placeOf(options)
  const pause = options.pause ?? pauseMs
  const client = new AwsClient({
    accessKeyId: options.accessKeyId,
    secretAccessKey: options.secretAccessKey.reveal(),
    region: options.region,
    service: 's3',
    retries: 0,
  })

  async function attempt({ method, key, query, headers, body }: S3Call): Promise<Response> {
    const url = new URL(root)
    url.pathname = key === '' ? `/${options.bucket}` : `/${options.bucket}/${key}`
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value)
    const request = await client.sign(url.href, {
      method,
      headers: {
        ...headers,
        // Signed, so that the service refuses a body that was altered or cut on the way.
        'x-amz-content-sha256': createHash('sha256')
          .update(body ?? '')
          .digest('hex'),
      },
      ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
      // Another host never gets what was signed for this one.
      redirect: 'manual',
      signal: AbortSignal.timeout(ATTEMPT_MS),
    })
    return fetch(request)
  }

  return async (call) => {
    for (let tried = 1; ; tried++) {
      let problem: string
      let cause: unknown
      try {
        const response = await attempt(call)
        if (response.ok) return response
        const code = /<Code>([A-Za-z0-9]{1,60})<\/Code>/.exec((await response.text()).slice(0, 65_536))?.[1] ?? ''
        if (response.status < 500 && response.status !== 429 && response.status !== 408)
          return requireMendable({ status: response.status, code }, place, options)
        problem = `it answers ${response.status}${code === '' ? '' : ` (${code})`}`
      } catch (error) {
        if (error instanceof BackupError) throw error
        const { cause: reason } = error as { cause?: { code?: string; message?: string } }
        problem = reason?.code ?? reason?.message ?? (error as Error).message
        cause = error
      }
      if (tried >= ATTEMPTS) {
        throw new BackupError(
          'target_unavailable',
          `The backup storage ${place} cannot be reached after ${tried} attempts: ${problem}.`,
          { cause },
        )
      }
      await pause(500 * 2 ** (tried - 1))
    }
  }
}

export const placeOf = ({ endpoint, bucket, prefix }: S3Options): string => `${endpoint}/${bucket}/${prefix}`

/** Something that is not there may be expected; every other refusal is the operator's to mend. */
function requireMendable(refusal: S3Refusal, place: string, { bucket, region }: S3Options): S3Refusal {
  const refuse = (why: string): never => {
    throw new BackupError('target_refuses', `The backup storage ${place} ${why}`)
  }
  if (refusal.code === 'NoSuchBucket') return refuse(`has no bucket "${bucket}": make it, or correct its name.`)
  if (refusal.status === 404) return refusal
  if (refusal.code === 'RequestTimeTooSkewed') return refuse("says that this machine's clock is wrong: set it.")
  if (refusal.status === 401 || refusal.status === 403)
    return refuse(
      `refuses the access key (${refusal.code || refusal.status}): check its id, its secret and its rights.`,
    )
  if (refusal.status < 400) return refuse(`answers from elsewhere (${refusal.status}): correct its endpoint or region.`)
  return refuse(`refuses the request (${refusal.code || refusal.status}): check its endpoint and region "${region}".`)
}

function rootOf({ endpoint, bucket, prefix, partBytes }: S3Options): URL {
  const refuse = (why: string): never => {
    throw new BackupError('target_invalid', why)
  }
  const url = URL.parse(endpoint)
  if (
    url === null ||
    url.pathname !== '/' ||
    url.search !== '' ||
    url.hash !== '' ||
    url.username !== '' ||
    url.password !== ''
  )
    return refuse(`"${endpoint}" is no endpoint: give scheme and host alone, such as https://s3.example.org.`)
  // Archives are sealed, but the listing, the names and every answer would be anybody's to change.
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname)))
    return refuse(`The backup storage ${endpoint} would be reached without TLS: use https.`)
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) return refuse(`"${bucket}" is no name of a bucket.`)
  if (!/^([A-Za-z0-9_-][A-Za-z0-9._-]*\/)*$/.test(prefix))
    return refuse(`"${prefix}" is no prefix: words that each end with a slash, such as redoubt/.`)
  if (partBytes !== undefined && partBytes < 5 * 1024 * 1024)
    return refuse(`S3 takes no parts of ${partBytes} bytes: choose 5 MiB or more.`)
  return url
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || (isIP(host) === 4 && host.startsWith('127.'))
}
