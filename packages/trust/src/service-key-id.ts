import { TrustError } from './trust-error.ts'

/** Which version of whose key: `worker/3` is the third key of the service `worker`. */
export type ServiceKeyId = { readonly service: string; readonly version: number }

const FORM = /^([a-z](?:-?[a-z0-9]){0,31})\/([1-9][0-9]{0,8})$/

/** The text of a key id. Throws `http_signature_malformed` when the parts do not have its closed form. */
export function formatServiceKeyId({ service, version }: ServiceKeyId): string {
  const keyid = `${service}/${version}`
  parseServiceKeyId(keyid)
  return keyid
}

/**
 * Reads `<service>/<version>`: a lower-case name of letters, digits and single inner hyphens, and a number from 1 without
 * leading zeros, so that one key has one id. Throws `http_signature_malformed`.
 */
export function parseServiceKeyId(keyid: string): ServiceKeyId {
  const [, service, version] = FORM.exec(keyid) ?? []
  if (service === undefined || version === undefined)
    throw new TrustError('http_signature_malformed', 'keyid must be <service>/<version>, as in worker/3')
  return { service, version: Number(version) }
}
