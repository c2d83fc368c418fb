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
import { OrganizationId, RunnerId } from '@redoubt/contract'
import { exportSigningKey, generateSigningKey, importSigningKey, type SigningKey } from '@redoubt/trust'
import { z } from 'zod'
import { ControlPlaneUrl, StartRefused } from '../config.ts'

export const Enrolment = z.strictObject({
  controlPlane: ControlPlaneUrl,
  token: z.string().min(16).max(200),
})
export type Enrolment = z.output<typeof Enrolment>

export const Identity = z.strictObject({
  runnerId: RunnerId,
  organizationId: OrganizationId,
  issuer: z.string().min(1).max(500),
  controlPlane: ControlPlaneUrl,
})
export type Identity = z.output<typeof Identity>

const ENROLMENT = 'enrolment.json'
const IDENTITY = 'identity.json'
const KEY = 'runner-key.json'

/** The runner's folder: its key (0600), its identity, its journal, and the enrolment token while there is one. */
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
    const identity = this.#read(IDENTITY, Identity)
    if (identity !== undefined && !existsSync(join(this.path, KEY))) {
      throw new StartRefused(
        `${IDENTITY} is there but ${KEY} is not; restore it, or remove ${IDENTITY} and enrol again`,
      )
    }
    return identity
  }

  saveIdentity(identity: Identity): void {
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

  /** The key that signs for this runner, made at the first call. Throws {@link StartRefused} when it is damaged. */
  signingKey(): SigningKey {
    const path = join(this.path, KEY)
    if (!existsSync(path)) this.#write(KEY, exportSigningKey(generateSigningKey('ES256')))
    // Whoever can read the key can report in the runner's name.
    if ((statSync(path).mode & 0o077) !== 0) {
      throw new StartRefused(`${path} can be read by others; run: chmod 600 ${path}`)
    }
    try {
      return importSigningKey(JSON.parse(readFileSync(path, 'utf8')))
    } catch {
      throw new StartRefused(`${path} does not hold the runner's key; restore it, or remove the home and enrol again`)
    }
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
