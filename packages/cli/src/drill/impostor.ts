import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { newCredentials, remoteKeeper, type ServicesPort, systemClock } from '@redoubt/server'
import type { Shown } from './channel.ts'
import { Door } from './http.ts'
import type { KeeperPort } from './services-port.ts'

/** An answer as it goes over the wire. */
export type Reply = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}
/** What stands in the keeper's place does with a request; `pass` gives what the true keeper answers to it. */
export type Reacting = (pass: () => Promise<Reply>) => Promise<Reply>

/**
 * Stands in the keeper's place, where a service looks for it, with the true keeper behind; and has the service api, whose
 * own line to the keeper it is, ask for whom to trust.
 * @param react to each request in turn
 * @returns what the service came to believe @throws what the service made of it
 */
export async function askThroughImpostor(
  keeperPort: KeeperPort,
  shown: Shown,
  react: readonly Reacting[],
  more: ServerOptions = {},
): Promise<string> {
  const options = { cert: shown.certificatePem, key: shown.privateKeyPem, ...more }
  let turn = 0
  let behind: ServicesPort | undefined
  const server = createServer(options, async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method = '', url: path = '', headers } = request
    const pass = async (): Promise<Reply> => {
      const door = new Door(behind?.url ?? '', undefined, { rejectUnauthorized: false })
      const sent = Object.fromEntries(
        ['signature-input', 'signature', 'content-digest'].map((name) => [name, String(headers[name])]),
      )
      const answer = await door.send({ method, path, headers: sent, body: Buffer.concat(chunks) })
      const signed = Object.fromEntries(
        ['signature-input', 'signature', 'content-digest'].map((name) => [name, String(answer.headers[name])]),
      )
      return { status: answer.status, headers: signed, body: answer.text }
    }
    const { status, headers: shownHeaders, body } = await (react[turn++] ?? ((passed) => passed()))(pass)
    response.writeHead(status, { 'content-type': 'application/json', ...shownHeaders }).end(body)
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    behind = await keeperPort.open({ authority: host })
    const identity = await keeperPort.identityOf('api')
    const { holder } = newCredentials('api', identity.trustDomain, identity.rootsPem, systemClock)
    const line = remoteKeeper({ url: `https://${host}`, holder, identity: () => identity, clock: systemClock })
    try {
      let said = ''
      for (const _ of react) said = (await line.call('identity.trust', {})).rootsPem.join('')
      return said
    } finally {
      await line.close()
    }
  } finally {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
    await behind?.stop()
  }
}
