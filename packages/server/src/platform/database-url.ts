import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import { StartError } from './app-error.ts'

/** How the connection to a database on another machine is protected (NET-3); taken by node-postgres as its `ssl`. */
export type DatabaseTls = {
  /** Certificates to trust, as PEM; the well-known ones when absent. */
  readonly ca?: string
  // Told explicitly: a NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment would switch verification off for all that do not.
  readonly rejectUnauthorized: true
  readonly minVersion: 'TLSv1.3'
}

/** How to reach one database; `host` may be a socket's directory. */
export type DatabaseAddress = {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly ssl?: DatabaseTls
}
export type Login = DatabaseAddress & { readonly user: string; readonly password: string }

const parameters = ['host', 'port', 'sslmode', 'sslrootcert']

/**
 * The database and the role that DATABASE_URL names. A host that is not this machine is reached over TLS alone, and proves
 * its name: whoever stood in between would otherwise read every tenant's rows, and any password.
 * @throws StartError for anything weaker than `sslmode=verify-full`, and for parameters that would have no effect
 */
export function addressOf(databaseUrl: string): DatabaseAddress & { readonly user: string } {
  const url = new URL(databaseUrl)
  const unknown = [...url.searchParams.keys()].filter((name) => !parameters.includes(name))
  if (unknown.length > 0)
    throw new StartError(`DATABASE_URL has ${unknown.join(', ')}, which has no effect here: take it out.`)
  const host = url.searchParams.get('host') ?? decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1')
  const ssl = tlsOf(host, url.searchParams)
  return {
    host,
    port: Number(url.port || url.searchParams.get('port') || 5432),
    database: decodeURIComponent(url.pathname.slice(1)) || 'redoubt',
    user: decodeURIComponent(url.username) || 'redoubt_owner',
    ...(ssl ? { ssl } : {}),
  }
}

/** @param password out of the secret store; one in the URL is never used */
export function loginOf(databaseUrl: string, password: string): Login {
  return { ...addressOf(databaseUrl), password }
}

function tlsOf(host: string, query: URLSearchParams): DatabaseTls | null {
  const mode = query.get('sslmode')
  const rootCertificate = query.get('sslrootcert')
  if (mode === 'verify-full' && !host.startsWith('/')) {
    const ca = rootCertificate === null ? {} : { ca: certificatesIn(rootCertificate) }
    return { ...ca, rejectUnauthorized: true, minVersion: 'TLSv1.3' }
  }
  const [shown, example] = [mode ?? 'nothing', 'sslmode=verify-full&sslrootcert=/path/to/ca.pem']
  if (!isThisMachine(host))
    throw new StartError(
      `DATABASE_URL reaches ${host} over a network, so the connection must be protected: sslmode is ${shown} and must be verify-full (?${example}).`,
    )
  if (rootCertificate !== null || (mode !== null && mode !== 'disable'))
    throw new StartError(
      `DATABASE_URL stays on this machine, where sslmode is verify-full or disable: set ${example}, or take both out.`,
    )
  return null
}

/** A socket, or loopback by its literal address or its reserved name (RFC 6761 §6.3). */
function isThisMachine(host: string): boolean {
  return host.startsWith('/') || host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}

function certificatesIn(path: string): string {
  try {
    const pem = readFileSync(path, 'utf8')
    new X509Certificate(pem)
    return pem
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'is not there' : 'holds no certificate in PEM'
    throw new StartError(`DATABASE_URL names the certificate ${path} as sslrootcert, and it ${why}.`, { cause })
  }
}
