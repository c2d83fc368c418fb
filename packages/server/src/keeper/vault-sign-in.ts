import { open } from 'node:fs/promises'
import { Secret } from '@redoubt/trust'
import { z } from 'zod'
import { KeeperError } from './keeper-error.ts'
import { refusalOf, requireDone, type VaultAnswer, type VaultWire } from './vault-wire.ts'

/* How the keeper proves itself to Vault. What proves it lies in files that others rotate; never in the environment. */

export type VaultSignIn =
  | {
      readonly method: 'approle'
      readonly mount?: string | undefined
      readonly roleId: string
      readonly secretIdFile: string
    }
  | {
      readonly method: 'kubernetes'
      readonly mount?: string | undefined
      readonly role: string
      /** The service account's token; by default where Kubernetes puts it. */
      readonly jwtFile?: string | undefined
    }
  | { readonly method: 'token-file'; readonly tokenFile: string }

export type VaultLogin = {
  readonly token: Secret<string>
  /** 0 is for ever. */
  readonly leaseMs: number
  readonly renewable: boolean
}

const KUBERNETES_JWT = '/var/run/secrets/kubernetes.io/serviceaccount/token'
const OTHERS_WRITE = 0o022
const MOST_BYTES = 65_536

const Login = z.object({
  auth: z.object({ client_token: z.string().min(1), lease_duration: z.int().min(0), renewable: z.boolean() }),
})
const Lookup = z.object({ data: z.object({ ttl: z.int().min(0), renewable: z.boolean().default(false) }) })
const Renewal = z.object({ auth: z.object({ lease_duration: z.int().min(0) }) })

/**
 * Signs in. The files are read each time, since whoever rotates them does not tell.
 * @throws KeeperError `not_allowed` when Vault refuses, `invalid` for a file that cannot be used;
 * VaultUnreachable, VaultBusy
 */
export async function signIn(wire: VaultWire, how: VaultSignIn): Promise<VaultLogin> {
  switch (how.method) {
    case 'approle': {
      const secretId = await readCredential(how.secretIdFile)
      return logIn(wire, how.mount ?? 'approle', { role_id: how.roleId, secret_id: secretId.reveal() })
    }
    case 'kubernetes': {
      const jwt = await readCredential(how.jwtFile ?? KUBERNETES_JWT)
      return logIn(wire, how.mount ?? 'kubernetes', { role: how.role, jwt: jwt.reveal() })
    }
    case 'token-file': {
      const token = await readCredential(how.tokenFile)
      const answer = await wire.send({ method: 'GET', path: 'auth/token/lookup-self', token })
      const { ttl, renewable } = parsed(Lookup, answer, `the token in ${how.tokenFile}`).data
      return { token, leaseMs: ttl * 1000, renewable }
    }
  }
}

/** @returns for how many milliseconds, or null when Vault refuses; 0 is for ever. @throws VaultUnreachable, VaultBusy */
export async function renewToken(wire: VaultWire, token: Secret<string>): Promise<number | null> {
  const answer = await wire.send({ method: 'POST', path: 'auth/token/renew-self', token, body: {} })
  requireDone(answer)
  const renewal = Renewal.safeParse(answer.body)
  return answer.status === 200 && renewal.success ? renewal.data.auth.lease_duration * 1000 : null
}

async function logIn(wire: VaultWire, mount: string, body: Record<string, string>): Promise<VaultLogin> {
  requireMount(mount)
  const answer = await wire.send({ method: 'POST', path: `auth/${mount}/login`, body })
  const { client_token, lease_duration, renewable } = parsed(Login, answer, `the sign-in at auth/${mount}`).auth
  return { token: new Secret(client_token), leaseMs: lease_duration * 1000, renewable }
}

function parsed<T>(schema: z.ZodType<T>, answer: VaultAnswer, what: string): T {
  requireDone(answer)
  const result = answer.status === 200 ? schema.safeParse(answer.body) : null
  if (!result?.success) throw new KeeperError('not_allowed', `Vault refuses ${what}: ${refusalOf(answer)}.`)
  return result.data
}

/** @throws KeeperError `invalid` */
export function requireMount(mount: string): void {
  if (!/^[a-z0-9_-]+(\/[a-z0-9_-]+)*$/i.test(mount))
    throw new KeeperError('invalid', `"${mount}" is no mount path of Vault: letters, digits, hyphens and slashes.`)
}

async function readCredential(path: string): Promise<Secret<string>> {
  const file = await open(path, 'r').catch((cause: NodeJS.ErrnoException) => {
    throw new KeeperError('invalid', `${path} cannot be read (${cause.code}): Vault’s sign-in needs it.`, { cause })
  })
  try {
    // Readable by others it often is: so Kubernetes and Compose mount it, where nobody else lives in the container.
    const { mode, size } = await file.stat()
    if ((mode & OTHERS_WRITE) !== 0)
      throw new KeeperError('invalid', `${path} can be written by others: chmod go-w ${path}.`)
    if (size > MOST_BYTES) throw new KeeperError('invalid', `${path} is no credential: it has ${size} bytes.`)
    const text = (await file.readFile('utf8')).trim()
    // A line break would end the header that carries it.
    if (!/^[\x21-\x7e]+$/.test(text)) throw new KeeperError('invalid', `${path} holds no credential on one line.`)
    return new Secret(text)
  } finally {
    await file.close()
  }
}
