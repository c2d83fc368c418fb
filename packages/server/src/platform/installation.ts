import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { mkdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { type PrivateJwk, Secret } from '@redoubt/trust'
import { z } from 'zod'
import { StartError } from './app-error.ts'

/** One login role per service; none owns a table or bypasses row security. */
export const serviceRoles = [
  'redoubt_web',
  'redoubt_api',
  'redoubt_ingestion',
  'redoubt_worker',
  'redoubt_workflow',
] as const
export type ServiceRole = (typeof serviceRoles)[number]

const Jwk = z.object({ kty: z.string(), crv: z.string(), x: z.string(), y: z.string().optional(), d: z.string() })
const perRole = z.object({
  redoubt_web: z.string(),
  redoubt_api: z.string(),
  redoubt_ingestion: z.string(),
  redoubt_worker: z.string(),
  redoubt_workflow: z.string(),
})
const File = z.object({
  format: z.literal('redoubt.installation/v1'),
  superuserPassword: z.string(),
  ownerPassword: z.string(),
  rolePasswords: perRole,
  contextKeys: perRole,
  sealingKey: z.string(),
  accessKey: Jwk,
  planKey: Jwk,
  auditKey: Jwk,
})

/** What makes this installation itself: made once, kept in the home under mode 0600, never printed. */
export type Installation = {
  readonly superuserPassword: Secret<string>
  readonly ownerPassword: Secret<string>
  readonly rolePasswords: Readonly<Record<ServiceRole, Secret<string>>>
  /** 32 bytes per role: seals the tenant context (TEN-2). */
  readonly contextKeys: Readonly<Record<ServiceRole, Secret<Buffer>>>
  /** 32 bytes: seals what must be read back, such as webhook secrets. */
  readonly sealingKey: Secret<Buffer>
  readonly accessKey: Secret<PrivateJwk>
  readonly planKey: Secret<PrivateJwk>
  readonly auditKey: Secret<PrivateJwk>
}

/**
 * Reads the installation's keys, or makes them on the first start.
 * @throws StartError when the file is there and cannot be read: new keys would lock the old data away.
 */
export async function openInstallation(home: string): Promise<{ installation: Installation; created: boolean }> {
  const folder = join(home, 'keys')
  const path = join(folder, 'installation.json')
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((cause: NodeJS.ErrnoException) => {
    throw new StartError(
      `${home} cannot be written (${cause.code}): choose another REDOUBT_HOME or mend its permissions.`,
      { cause },
    )
  })
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new StartError(
        `${path} cannot be read: mend its permissions; without it the data of this home stays shut.`,
        { cause },
      )
    }
    const file = newFile()
    await writeDurably(path, JSON.stringify(file, null, 2))
    return { installation: installationOf(file), created: true }
  }
  try {
    return { installation: installationOf(File.parse(JSON.parse(text))), created: false }
  } catch (cause) {
    throw new StartError(
      `${path} is damaged: restore it from a backup; new keys would lock the data of this home away.`,
      { cause },
    )
  }
}

/** A fresh set of keys that is not written anywhere, for tests. */
export function newInstallation(): Installation {
  return installationOf(newFile())
}

function newFile(): z.output<typeof File> {
  const password = () => randomBytes(24).toString('base64url')
  const key = () => randomBytes(32).toString('base64')
  const each = (make: () => string) =>
    Object.fromEntries(serviceRoles.map((role) => [role, make()])) as Record<ServiceRole, string>
  const jwk = (pair: { privateKey: { export(o: { format: 'jwk' }): object } }) =>
    Jwk.parse(pair.privateKey.export({ format: 'jwk' }))
  return {
    format: 'redoubt.installation/v1',
    superuserPassword: password(),
    ownerPassword: password(),
    rolePasswords: each(password),
    contextKeys: each(key),
    sealingKey: key(),
    accessKey: jwk(generateKeyPairSync('ec', { namedCurve: 'P-256' })),
    planKey: jwk(generateKeyPairSync('ec', { namedCurve: 'P-256' })),
    auditKey: jwk(generateKeyPairSync('ed25519')),
  }
}

function installationOf(file: z.output<typeof File>): Installation {
  const map = <T>(from: Record<ServiceRole, string>, make: (value: string) => T) =>
    Object.fromEntries(serviceRoles.map((role) => [role, new Secret(make(from[role]))])) as Record<
      ServiceRole,
      Secret<T>
    >
  return {
    superuserPassword: new Secret(file.superuserPassword),
    ownerPassword: new Secret(file.ownerPassword),
    rolePasswords: map(file.rolePasswords, (value) => value),
    contextKeys: map(file.contextKeys, (value) => Buffer.from(value, 'base64')),
    sealingKey: new Secret(Buffer.from(file.sealingKey, 'base64')),
    accessKey: new Secret(file.accessKey as PrivateJwk),
    planKey: new Secret(file.planKey as PrivateJwk),
    auditKey: new Secret(file.auditKey as PrivateJwk),
  }
}

/** Written beside, synced, then moved into place: a kill leaves the old file or the new one, never half of one. */
async function writeDurably(path: string, text: string): Promise<void> {
  const beside = `${path}.new`
  const fd = openSync(beside, 'w', 0o600)
  try {
    writeSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  await rename(beside, path)
}
