import { createServer } from 'node:net'
import { type Config, readConfig } from '@redoubt/server'

/** The usual ports where they are free, others where not; `once` runs beside anything. */
export async function portsFor(anyFree: boolean): Promise<Pick<Config, 'ports' | 'keeper' | 'runnerApiPort'>> {
  const { ports, keeper, runnerApiPort } = readConfig({})
  const pick = async (usual: number) => (!anyFree && (await isFree(usual)) ? usual : freePort())
  const keeperPort = await pick(keeper.port)
  return {
    ports: {
      web: await pick(ports.web),
      api: await pick(ports.api),
      ingestion: await pick(ports.ingestion),
      runner: await pick(ports.runner),
    },
    keeper: { port: keeperPort, url: `https://127.0.0.1:${keeperPort}` },
    runnerApiPort: await pick(runnerApiPort),
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}
