import { chmod, mkdir, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import { dirname, join } from 'node:path'
import { Secret } from '@redoubt/trust'
import { z } from 'zod'
import { StartError } from '../platform/app-error.ts'
import type { Stop } from '../platform/kernel.ts'
import { KeeperError } from './keeper-error.ts'
import type { MasterKey } from './master-key.ts'
import type { Seal } from './open-master.ts'
import { type SealState, Unsealing } from './unsealing.ts'

const bodyLimitBytes = 256 * 1024
/** How long a stop waits for answers that are on their way. */
const partingMs = 2000

/** Tells the asker how far a long request has come. */
export type Tell = (progress: unknown) => void
/** What can be asked through the socket, by name. Input, progress and answer are JSON. */
export type AdminHandlers = Readonly<Record<string, (input: unknown, tell: Tell) => Promise<unknown>>>

/** What is said to the asker of a request that was not done. */
export type AdminRefusal = { readonly code: string; readonly detail: string }
/** A line of an answer: any number of `progress`, then one of the others. */
export type AdminLine =
  | { readonly progress: unknown }
  | { readonly answer: unknown }
  | { readonly refusal: AdminRefusal }

/**
 * Where the command line reaches the keeper of a home while it runs. The folder is its owner's alone (0700), so whoever
 * gets to the socket could also read the files.
 * @throws StartError when the home's path is too long for a socket (107 bytes)
 */
export function adminSocketPath(home: string): string {
  const path = join(home, 'keys', 'keeper.sock')
  if (Buffer.byteLength(path) > 107)
    throw new StartError(
      `The path of ${home} is too long for the keeper's socket: choose a REDOUBT_HOME of at most 90 bytes.`,
    )
  return path
}

type SocketOptions = {
  /** Told of what nobody foresaw; the asker learns no more than that it failed. */
  readonly onFailure?: (error: unknown) => void
  /** What is said of a request that there is no handler for. */
  readonly refuse?: (name: string) => KeeperError
}

/** Serves the command line of this machine's operator until stopped. */
export async function openAdminSocket(
  home: string,
  handlers: AdminHandlers,
  options: SocketOptions = {},
): Promise<Stop> {
  const path = adminSocketPath(home)
  // Made so, and not only believed: between listening and the mode of the socket, the folder alone keeps others out.
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await chmod(dirname(path), 0o700)
  // One that a killed process left behind; that nobody else runs on this home is known by the lock of the home.
  await rm(path, { force: true })
  const server = createServer(async (request, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson', connection: 'close' })
    const say = (line: AdminLine) => void response.write(`${JSON.stringify(line)}\n`)
    say(await lastLine(handlers, request, (progress) => say({ progress }), options))
    response.end()
  })
  // A backup takes as long as it takes.
  server.requestTimeout = 0
  await new Promise<void>((done, fail) => {
    server.once('error', fail)
    server.listen(path, done)
  })
  await chmod(path, 0o600)
  return async () => {
    await new Promise<void>((done) => {
      server.close(() => done())
      // Not at once: whoever unsealed the platform is still waiting for the answer.
      setTimeout(() => server.closeAllConnections(), partingMs).unref()
    })
    await rm(path, { force: true })
  }
}

async function lastLine(
  handlers: AdminHandlers,
  request: IncomingMessage,
  tell: Tell,
  { onFailure = () => undefined, refuse = notFound }: SocketOptions,
): Promise<AdminLine> {
  try {
    const name = (request.url ?? '/').slice(1)
    const handler = Object.hasOwn(handlers, name) && request.method === 'POST' ? handlers[name] : undefined
    if (!handler) throw refuse(name)
    return { answer: await handler(await read(request), tell) }
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal) return { refusal }
    onFailure(error)
    return { refusal: { code: 'internal', detail: 'It failed; the platform’s log says why.' } }
  }
}

const notFound = (name: string) => new KeeperError('not_found', `There is nothing called ${name.slice(0, 60)} here.`)

/** Errors of ours, whose sentences are written for people and hold no secret. */
const told = new Set(['KeeperError', 'BackupError', 'TrustError', 'StartError'])

/** What may be said of an error; null for what nobody foresaw. */
export function refusalOf(error: unknown): AdminRefusal | null {
  if (!(error instanceof Error) || !told.has(error.name)) return null
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'failed'
  const { message } = error
  // The building blocks of `trust` say what is wrong in half a sentence, for others to quote. A path or an address that a
  // sentence begins with stays as it is written.
  const begun = /^[a-z-]+[ ,:’]/.test(message) ? `${message.charAt(0).toUpperCase()}${message.slice(1)}` : message
  return { code, detail: `${begun}${/[.;…]$/.test(message) ? '' : '.'}` }
}

async function read(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += (chunk as Buffer).length
    if (size > bodyLimitBytes) throw new KeeperError('invalid', 'The request is too long.')
    chunks.push(chunk as Buffer)
  }
  try {
    return size === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw new KeeperError('invalid', 'The request is no JSON.')
  }
}

const line = z.string().min(1).max(1024)
const Gift = z.union([z.strictObject({ passphrase: line }), z.strictObject({ share: line })])

/**
 * Waits for people to unseal the master key through the socket (SEC-4).
 * @param onWaiting told as soon as they can
 * @param signal ends the wait
 * @throws StartError when the wait was ended
 */
export async function waitForUnseal(
  home: string,
  seal: Seal,
  onWaiting: () => void,
  signal?: AbortSignal,
): Promise<MasterKey> {
  const opened = Promise.withResolvers<MasterKey>()
  const end = () => opened.reject(new StartError('Stopped before its keys were unsealed.'))
  const unsealing = new Unsealing(seal)
  const handlers = {
    status: async (): Promise<SealState> => unsealing.state,
    async unseal(input: unknown): Promise<SealState> {
      const gift = Gift.safeParse(input)
      if (!gift.success) throw new KeeperError('invalid', `The master key is sealed by ${seal.means}.`)
      const { data } = gift
      const master = await unsealing.give(
        'share' in data ? { share: new Secret(data.share) } : { passphrase: new Secret(data.passphrase) },
      )
      if (master) opened.resolve(master)
      return unsealing.state
    },
  } satisfies AdminHandlers
  const stop = await openAdminSocket(home, handlers, {
    refuse: () => new KeeperError('sealed', 'The platform is sealed: redoubt unseal opens it.'),
  })
  if (signal?.aborted) end()
  signal?.addEventListener('abort', end, { once: true })
  onWaiting()
  try {
    return await opened.promise
  } finally {
    signal?.removeEventListener('abort', end)
    await stop()
  }
}
