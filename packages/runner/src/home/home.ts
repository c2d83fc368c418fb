import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { OrganizationId, RunnerId, type RunnerTrust } from '@redoubt/contract'
import { exportSigningKey, generateSigningKey, importSigningKey, type SigningKey } from '@redoubt/trust'
import { z } from 'zod'
import { ControlPlaneUrl, StartRefused } from '../config.ts'

export const Enrolment = z.strictObject({
  controlPlane: ControlPlaneUrl,
  /** With the pins of the control plane's authorities behind it. */
  token: z.string().min(16).max(500),
})
export type Enrolment = z.output<typeof Enrolment>

export const Identity = z.strictObject({
  runnerId: RunnerId,
  organizationId: OrganizationId,
  issuer: z.string().min(1).max(500),
  controlPlane: ControlPlaneUrl,
  trustDomain: z.string().min(1).max(255),
})
export type Identity = z.output<typeof Identity>

/** The key of the channel with its certificate, and whom to trust: what a restart within the day needs. */
const Credentials = z.strictObject({
  certificatePem: z.string(),
  privateKeyPem: z.string(),
  rootsPem: z.array(z.string()).min(1),
  denied: z.array(z.string()),
})
export type Credentials = RunnerTrust & z.output<typeof Credentials>

const ENROLMENT = 'enrolment.json'
const IDENTITY = 'identity.json'
const KEY = 'runner-key.json'
const CERTIFICATE = 'certificate.json'

/**
 * The runner's folder: its key and its certificate (0600), its identity, its journal, and the enrolment token while there
 * is one.
 */
export class Home {
  readonly path: string

  /** Throws {@link StartRefused} when the folder cannot be made. */
  constructor(path: string) {
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 })
      chmodSync(path, 0o700)
    } catch (error) {
      throw new StartRefused(`the runner's home ${path} cannot be used: ${error instanceof Error ? error.message : ''}`)
    }
    this.path = path
  }

  /** Who the runner is, once enrolled. Throws {@link StartRefused} when the file or the key is damaged. */
  identity(): Identity | undefined {
    this.#refuseEarlierEnrolment()
    const identity = this.#read(IDENTITY, Identity)
    if (identity !== undefined && !existsSync(join(this.path, KEY))) {
      throw new StartRefused(
        `${IDENTITY} is there but ${KEY} is not; restore it, or remove ${IDENTITY} and enrol again`,
      )
    }
    return identity
  }

  /** The certificate first: an identity that is there has one. */
  saveIdentity(identity: Identity, credentials: Credentials): void {
    this.saveCredentials(credentials)
    this.#write(IDENTITY, identity)
    rmSync(join(this.path, ENROLMENT), { force: true })
  }

  /** The enrolment token that the operator left. Throws {@link StartRefused} when the file is not an enrolment. */
  enrolment(): Enrolment | undefined {
    return this.#read(ENROLMENT, Enrolment)
  }

  saveEnrolment(enrolment: Enrolment): void {
    this.#write(ENROLMENT, enrolment)
  }

  /** Throws {@link StartRefused} when the certificate is damaged or others can read its key. */
  credentials(): Credentials | undefined {
    this.#refuseReadableByOthers(CERTIFICATE)
    return this.#read(CERTIFICATE, Credentials)
  }

  saveCredentials(credentials: Credentials): void {
    this.#write(CERTIFICATE, credentials)
  }

  /** The key that signs for this runner, made at the first call. Throws {@link StartRefused} when it is damaged. */
  signingKey(): SigningKey {
    const path = join(this.path, KEY)
    if (!existsSync(path)) this.#write(KEY, exportSigningKey(generateSigningKey('ES256')))
    this.#refuseReadableByOthers(KEY)
    try {
      return importSigningKey(JSON.parse(readFileSync(path, 'utf8')))
    } catch {
      throw new StartRefused(`${path} does not hold the runner's key; restore it, or remove the home and enrol again`)
    }
  }

  /** Whoever can read a key of the runner can be the runner. */
  #refuseReadableByOthers(name: string): void {
    const path = join(this.path, name)
    if (existsSync(path) && (statSync(path).mode & 0o077) !== 0)
      throw new StartRefused(`${path} can be read by others; run: chmod 600 ${path}`)
  }

  /** Enrolled over plain HTTP or under a public certificate, it has no certificate of its own and cannot get one. */
  #refuseEarlierEnrolment(): void {
    const path = join(this.path, IDENTITY)
    if (!existsSync(path) || existsSync(join(this.path, CERTIFICATE))) return
    const shape = z.looseObject({ controlPlane: z.string().optional(), trustDomain: z.string().optional() })
    const { controlPlane, trustDomain } = this.#read(IDENTITY, shape) ?? {}
    if (controlPlane !== undefined && trustDomain === undefined)
      throw new StartRefused(
        `this runner was enrolled at ${controlPlane} before runners spoke mutual TLS: revoke it there, remove ${path}, and enrol it anew with a token of redoubt runner invite`,
      )
  }

  #read<T extends z.ZodType>(name: string, shape: T): z.output<T> | undefined {
    const path = join(this.path, name)
    if (!existsSync(path)) return undefined
    try {
      return shape.parse(JSON.parse(readFileSync(path, 'utf8')))
    } catch (error) {
      const where = error instanceof z.ZodError ? ` (${error.issues[0]?.path.join('.') ?? ''})` : ''
      throw new StartRefused(`${path} is not valid${where}; remove it and enrol the runner again`)
    }
  }

  /** Whole or not at all, also when the machine stops in the middle. */
  #write(name: string, value: object): void {
    const path = join(this.path, name)
    const file = openSync(`${path}.new`, 'w', 0o600)
    writeSync(file, `${JSON.stringify(value, null, 2)}\n`)
    fsyncSync(file)
    closeSync(file)
    renameSync(`${path}.new`, path)
  }
}
