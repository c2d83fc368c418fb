import { cpus, loadavg, totalmem } from 'node:os'
import type pg from 'pg'

/** Where the figures were measured: a number without its machine says nothing. */
export async function machineText(admin: pg.Pool): Promise<string> {
  const { rows } = await admin.query<{ server_version: string }>('show server_version')
  const processors = cpus()
  const model = processors[0]?.model.trim() || process.arch
  const gb = (totalmem() / 1_073_741_824).toFixed(1)
  return [
    `${model}, ${processors.length} cores, ${gb} GB`,
    `Node ${process.versions.node}, PostgreSQL ${rows[0]?.server_version ?? 'unknown'}, fsync on`,
    `${new Date().toISOString()}, load average ${loadText()}`,
  ].join('\n')
}

/** Load average of 1, 5 and 15 minutes; the bench itself adds to it. */
export const loadText = (): string =>
  loadavg()
    .map((load) => load.toFixed(2))
    .join(' ')
