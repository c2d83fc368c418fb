import { createServer } from 'node:net'

/** Ports that nobody listens on; all are held until the last is found, so that none is given twice. */
export async function freePorts<const N extends number>(count: N): Promise<number[] & { length: N }> {
  const probes = Array.from({ length: count }, () => createServer())
  await Promise.all(probes.map((probe) => new Promise<void>((open) => probe.listen(0, '127.0.0.1', open))))
  const ports = probes.map((probe) => (probe.address() as { port: number }).port)
  await Promise.all(probes.map((probe) => new Promise((closed) => probe.close(closed))))
  return ports as number[] & { length: N }
}
