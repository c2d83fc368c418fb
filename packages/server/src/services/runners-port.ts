import type { TLSSocket } from 'node:tls'
import { ROOTS_PATH, type Roots } from '@redoubt/contract'
import { peerIdentity } from '@redoubt/trust'
import type { z } from 'zod'
import type { Dispatch, Operation } from '../platform/dispatch.ts'
import { createServer } from '../platform/http.ts'
import type { Kernel, Stop } from '../platform/kernel.ts'
import { mountRest } from '../platform/rest.ts'

/**
 * The port of the runners (SVC-4), 4443: TLS 1.3 with certificates on both sides, and the operations of their channel
 * alone. TLS lets in who shows none, since the first one has to be asked for; the runner guard lets nobody do more.
 */
export function startRunnersPort(
  kernel: Kernel,
  operations: readonly Operation[],
  dispatch: Dispatch,
  ready: () => Promise<boolean>,
): Promise<{ url: string; stop: Stop }> {
  const { certificate, config } = kernel
  const server = createServer(kernel, 'api', ready, { certificate, setting: 'REDOUBT_RUNNER_API_PORT' })
  const channel = operations.filter(({ spec }) => spec.channel === 'runners')
  mountRest(server, channel, dispatch, ({ raw }) => ({
    certificate: peerIdentity(raw.socket as TLSSocket, certificate.rules())?.spiffeId ?? null,
  }))
  server.mount('public: certificates of authorities, which whoever enrols compares with the pin of the token', {
    method: 'GET',
    url: ROOTS_PATH,
    handler: async (): Promise<z.output<typeof Roots>> => ({
      rootsPem: certificate.rules().roots.map((root) => root.toString()),
    }),
  })
  return server.listen(config.runnerApiPort)
}
