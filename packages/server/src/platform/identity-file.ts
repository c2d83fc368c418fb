import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { open, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { StartError } from './app-error.ts'
import { type ServiceIdentity, serviceIdentities } from './keeper-protocol.ts'

/**
 * What a service that runs apart is given once and keeps to itself: who it is, its keys for signing requests, and the
 * roots it believes. Its certificates are made from this, live a day, and are written nowhere.
 */
export const ServiceIdentityFile = z.strictObject({
  format: z.literal('redoubt.service-identity/v1'),
  service: z.enum(serviceIdentities),
  trustDomain: z.string(),
  rootsPem: z.array(z.string()).min(1),
  keys: z
    .array(
      z.strictObject({
        version: z.int().positive(),
        activeAt: z.coerce.date(),
        endsAt: z.coerce.date().nullable(),
        key: z.base64(),
      }),
    )
    .min(1),
})
export type ServiceIdentityFile = z.output<typeof ServiceIdentityFile>

export const identityPath = (home: string, service: ServiceIdentity): string =>
  join(home, 'services', service, 'identity.json')

/** @throws StartError that says how to enrol the service */
export async function readIdentity(home: string, service: ServiceIdentity): Promise<ServiceIdentityFile> {
  const path = identityPath(home, service)
  const enrol = `redoubt service enrol ${service} on the keeper's machine makes one.`
  const found = await stat(path).catch(() => null)
  if (!found) throw new StartError(`${service} has no identity at ${path}: ${enrol}`)
  if ((found.mode & 0o077) !== 0)
    throw new StartError(`${path} can be read by others: chmod 600 ${path}, then rotate the service's key.`)
  const parsed = ServiceIdentityFile.safeParse(json(await readFile(path, 'utf8').catch(() => '')))
  if (!parsed.success || parsed.data.service !== service)
    throw new StartError(`${path} is damaged or belongs to another service: ${enrol}`)
  return parsed.data
}

/** Without the parser's error: it quotes what it read, and that may be a key. */
function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Replaces the file whole, mode 0600. */
export async function writeIdentity(path: string, identity: ServiceIdentityFile): Promise<void> {
  // A name that nobody can know: in a folder that others write to, such as /tmp, theirs could lie there already, or a link;
  // and two who write at once would each move the other's half.
  const beside = `${path}.${randomUUID()}.new`
  const file = await open(beside, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
  try {
    await file.writeFile(JSON.stringify(identity, null, 2))
    await file.sync()
    await rename(beside, path)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  } finally {
    await file.close()
  }
}
