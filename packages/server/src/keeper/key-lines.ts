import { randomBytes } from 'node:crypto'
import {
  acceptedVersions,
  exportSigningKey,
  generateSigningKey,
  isRotationDue,
  type KeyVersion,
  type RotationRule,
  rotateLine,
  Secret,
  type SigningAlgorithm,
} from '@redoubt/trust'
import { z } from 'zod'
import { SigningMaterial } from './checkpoint-line.ts'
import { KeeperError } from './keeper-error.ts'
import type { SecretPath, SecretStore } from './secret-store.ts'

// Made once: the keeper reads a line at each request between services, and making a schema costs more than using it.
const Base64 = z.base64()
const Line = z
  .array(
    z.strictObject({
      version: z.int().positive(),
      createdAt: z.coerce.date(),
      activeAt: z.coerce.date(),
      endsAt: z.coerce.date().nullable(),
      material: z.unknown(),
    }),
  )
  .min(1)

/** One key with all its versions, kept as one secret. */
export type KeyLine<M> = readonly (KeyVersion & { readonly material: M })[]

export type KeyLineSpec<M> = {
  readonly path: SecretPath
  readonly rule: RotationRule
  /** What a version holds, as JSON. */
  readonly material: z.ZodType<M>
  make(times: KeyVersion, line: KeyLine<M>): M | Promise<M>
  /** What is kept of a version once it has a successor; all of it where this is left out. */
  retire?(material: M): M
}

/** An ECDSA or Ed25519 key line. */
export const signingLine = (
  path: SecretPath,
  rule: RotationRule,
  algorithm: SigningAlgorithm,
): KeyLineSpec<SigningMaterial> => ({
  path,
  rule,
  material: SigningMaterial,
  make: () => exportSigningKey(generateSigningKey(algorithm)),
})

/** A line of 32-byte keys for HMAC, as base64. */
export const macLine = (path: SecretPath, rule: RotationRule): KeyLineSpec<string> => ({
  path,
  rule,
  material: Base64,
  make: () => randomBytes(32).toString('base64'),
})

/**
 * The line as it stands, made with its first version where there is none yet.
 * @throws KeeperError `store_damaged`
 */
export async function readLine<M>(store: SecretStore, spec: KeyLineSpec<M>, now: Date): Promise<KeyLine<M>> {
  const stored = await store.read(spec.path)
  if (stored === null) return writeRotation(store, spec, [], 0, now)
  return lineOf(spec, stored.value)
}

/** A new version, whatever the age of the newest. Keys that have ended are destroyed with the same write. */
export async function rotateKeyLine<M>(store: SecretStore, spec: KeyLineSpec<M>, now: Date): Promise<KeyLine<M>> {
  const stored = await store.read(spec.path)
  const line = stored === null ? [] : lineOf(spec, stored.value)
  return writeRotation(store, spec, line, stored?.version ?? 0, now)
}

/** Rotates what is due and destroys what has ended. @returns whether anything was written */
export async function tendLine<M>(store: SecretStore, spec: KeyLineSpec<M>, now: Date): Promise<boolean> {
  const stored = await store.read(spec.path)
  const line = stored === null ? [] : lineOf(spec, stored.value)
  if (isRotationDue(line, spec.rule, now)) {
    await writeRotation(store, spec, line, stored?.version ?? 0, now)
    return true
  }
  const kept = acceptedVersions(line, now)
  if (kept.length === line.length || stored === null) return false
  await store.write(spec.path, textOf(kept), stored.version)
  return true
}

async function writeRotation<M>(
  store: SecretStore,
  spec: KeyLineSpec<M>,
  line: KeyLine<M>,
  expectedVersion: number,
  now: Date,
): Promise<KeyLine<M>> {
  let newest: KeyVersion | undefined
  // Times first: what is made may carry them, as a certificate does.
  rotateLine<KeyVersion>(line, spec.rule, now, (times) => {
    newest = times
    return times
  })
  const material = await spec.make(newest as KeyVersion, line)
  const { retire = (kept: M) => kept } = spec
  const retired = line.map((each) => ({ ...each, material: retire(each.material) }))
  const next = rotateLine<KeyLine<M>[number]>(retired, spec.rule, now, (times) => ({ ...times, material }))
  await store.write(spec.path, textOf(next), expectedVersion)
  return next
}

const textOf = <M>(line: KeyLine<M>): Secret<string> => new Secret(JSON.stringify(line))

function lineOf<M>(spec: KeyLineSpec<M>, value: Secret<string>): KeyLine<M> {
  try {
    const line = Line.parse(JSON.parse(value.reveal()))
    return line.map((each) => ({ ...each, material: spec.material.parse(each.material) }))
  } catch {
    // The cause would quote the value.
    throw new KeeperError(
      'store_damaged',
      `The key ${spec.path} cannot be read: restore the secret store from a backup.`,
    )
  }
}
