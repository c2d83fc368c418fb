import { createServer } from 'node:net'
import { readConfig } from '@redoubt/server'

/** The usual ports where they are free, others where not; `once` runs beside anything. */
export async function portsFor(
  anyFree: boolean,
): Promise<{ web: number; api: number; ingestion: number; runner: number }> {
  const { ports } = readConfig({})
  const pick = async (usual: number) => (!anyFree && (await isFree(usual)) ? usual : freePort())
  return {
    web: await pick(ports.web),
    api: await pick(ports.api),
    ingestion: await pick(ports.ingestion),
    runner: await pick(ports.runner),
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
