import { type IncomingMessage, request as plainRequest } from 'node:http'
import type { Door } from './http.ts'
import { browser, type Person } from './organization.ts'

export type EventStream = {
  /** Whether the server ends it within that time. */
  endsWithin(ms: number): Promise<boolean>
  close(): void
}

/** Opens `GET /events` of the person's organization and waits for its first bytes. Throws when it is refused. */
export async function openStream(
  web: Door,
  person: Pick<Person, 'organizationId'>,
  cookie: string,
): Promise<EventStream> {
  const { hostname, port } = new URL(web.url)
  const path = `/events?organization=${person.organizationId}`
  const headers = { ...browser({ cookie, organizationId: person.organizationId }), 'redoubt-csrf': '1' }
  const request = plainRequest({ hostname, port, path, headers, agent: false })
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve)
    request.on('error', reject)
    request.end()
  })
  if (response.statusCode !== 200) throw new Error(`GET /events answered ${response.statusCode}`)
  request.on('error', () => undefined)
  const ended = new Promise<true>((resolve) => {
    response.on('end', () => resolve(true))
    response.on('close', () => resolve(true))
  })
  await new Promise<void>((first) => response.once('data', () => first()))
  response.resume()
  return {
    endsWithin: (ms: number): Promise<boolean> =>
      Promise.race([ended, new Promise<false>((late) => setTimeout(() => late(false), ms))]),
    close: () => void request.destroy(),
  }
}
