import { TrustError } from './trust-error.ts'

/** Who a certificate speaks for: a service of the platform, or one runner of one organization. */
export type SpiffeId =
  | { readonly trustDomain: string; readonly kind: 'service'; readonly name: string }
  | {
      readonly trustDomain: string
      readonly kind: 'runner'
      readonly organizationId: string
      readonly runnerId: string
    }

const MAX_TRUST_DOMAIN_BYTES = 255
// The letters of SPIFFE-ID §2.1, in labels: a leading dot would turn the CA's name constraint into "any host below".
const trustDomainForm = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/
const serviceForm = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/
const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const runnerForm = new RegExp(`^(${uuid})/(${uuid})$`)

/**
 * Reads a SPIFFE ID (SPIFFE-ID §2) of one of the two forms this platform issues:
 * `spiffe://<trust domain>/service/<name>` and `spiffe://<trust domain>/runner/<organization>/<runner>`.
 * Both stay far below the 2048 bytes of SPIFFE-ID §2.3. One identity has one spelling: nothing is decoded, lower-cased or normalized, so that no two readers can differ.
 * Throws `spiffe_id`.
 */
export function parseSpiffeId(text: string): SpiffeId {
  const parts = /^spiffe:\/\/([^/]*)\/(service|runner)\/(.+)$/.exec(text)
  if (parts === null)
    throw refused('must be spiffe://<trust domain>/service/<name> or …/runner/<organization>/<runner>')
  const [, trustDomain = '', kind, rest = ''] = parts
  requireTrustDomain(trustDomain)
  if (kind === 'service') {
    if (rest.length > 63 || !serviceForm.test(rest)) throw refused('names a service in lower-case words with hyphens')
    return { trustDomain, kind, name: rest }
  }
  const [, organizationId, runnerId] = runnerForm.exec(rest) ?? []
  if (organizationId === undefined || runnerId === undefined)
    throw refused('names a runner by two lower-case UUIDs, its organization and itself')
  return { trustDomain, kind: 'runner', organizationId, runnerId }
}

/** The text of an identity; throws `spiffe_id` for parts that {@link parseSpiffeId} would not read back. */
export function formatSpiffeId(id: SpiffeId): string {
  const path = id.kind === 'service' ? `service/${id.name}` : `runner/${id.organizationId}/${id.runnerId}`
  const text = `spiffe://${id.trustDomain}/${path}`
  parseSpiffeId(text)
  return text
}

/** Throws `spiffe_id` unless the text is a trust domain (SPIFFE-ID §2.1): lower case, no port, no user, at most 255 bytes. */
export function requireTrustDomain(text: string): void {
  if (text.length > MAX_TRUST_DOMAIN_BYTES || !trustDomainForm.test(text))
    throw refused(
      `needs a trust domain of lower-case letters, digits, "-", "_" and "." (${MAX_TRUST_DOMAIN_BYTES} bytes)`,
    )
}

const refused = (why: string) => new TrustError('spiffe_id', `the SPIFFE ID ${why}`)
