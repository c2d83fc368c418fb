import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { acceptedVersions } from '@redoubt/trust'
import { identityPath, writeIdentity } from '../platform/identity-file.ts'
import { type ServiceIdentity, serviceIdentities } from '../platform/keeper-protocol.ts'
import type { Keeper } from './keeper.ts'

/**
 * Writes the identity file of a service that is to run apart: its keys for signing requests and the roots it believes.
 * Whoever holds the file can be that service until its key is rotated.
 * @param path where to, mode 0600
 */
export async function enrolService(keeper: Keeper, service: ServiceIdentity, path: string, now: Date): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const line = acceptedVersions(await keeper.serviceKeys(service), now)
  await writeIdentity(path, {
    format: 'redoubt.service-identity/v1',
    service,
    trustDomain: keeper.desk.trustDomain,
    rootsPem: await keeper.desk.rootsPem(),
    keys: line.map(({ version, activeAt, endsAt, material }) => ({ version, activeAt, endsAt, key: material })),
  })
}

/** The services of the keeper's own home have their files at once: who can read this home could read the keys anyway. */
export async function enrolHome(keeper: Keeper, home: string, now: Date): Promise<void> {
  for (const service of serviceIdentities) {
    const path = identityPath(home, service)
    if (service !== 'keeper' && !existsSync(path)) await enrolService(keeper, service, path, now)
  }
}
