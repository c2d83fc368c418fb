import { createHash, type X509Certificate } from 'node:crypto'
import { requireTrustDomain } from './spiffe-id.ts'
import { readRoots } from './svid.ts'
import { TrustError } from './trust-error.ts'

/*
 * What an operator carries to a new runner: `<one-time token>~<pin>[~<pin>…]`. The pins say which authorities the control
 * plane is known by, so that the runner knows it before it shows the token to anybody. They are no secret.
 */

/** One for each root of the moment: during a rotation of the authority the old and the new one. */
const MAX_PINS = 4
const form = new RegExp(`^(rdt_[0-9A-Za-z_]{16,100})((?:~[A-Za-z0-9_-]{43}){1,${MAX_PINS}})$`)

export type EnrolmentToken = { readonly token: string; readonly pins: readonly string[] }

/** SHA-256 of a root's public key (SubjectPublicKeyInfo, as in RFC 7469 §2.4), base64url. */
export function rootPin(root: X509Certificate): string {
  return createHash('sha256')
    .update(root.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url')
}

/** @throws TrustError `enrolment_token` when there is no root to pin, or more than {@link parseEnrolmentToken} reads */
export function formatEnrolmentToken(token: string, roots: readonly X509Certificate[]): string {
  const text = [token, ...roots.map(rootPin)].join('~')
  parseEnrolmentToken(text)
  return text
}

/** @throws TrustError `enrolment_token` for one that is cut off or has no pin */
export function parseEnrolmentToken(text: string): EnrolmentToken {
  const [, token, pins] = form.exec(text) ?? []
  if (token === undefined || pins === undefined)
    throw new TrustError('enrolment_token', 'this is no complete enrolment token; copy it again, with all behind the ~')
  return { token, pins: pins.slice(1).split('~') }
}

export type PinnedAuthority = { readonly trustDomain: string; readonly rootsPem: readonly string[] }

/**
 * The pinned roots among those that somebody unknown has presented, and whom they speak for. What else was presented is
 * left out: beside a true root, which is public, a forger could put one of his own.
 * @throws TrustError `enrolment_pin` when none of them is pinned or they do not agree; `certificate_authority`
 */
export function pinnedAuthority(presentedPem: readonly string[], pins: readonly string[]): PinnedAuthority {
  const roots = readRoots(presentedPem).filter((root) => pins.includes(rootPin(root)))
  const domains = new Set(roots.map((root) => /^URI:spiffe:\/\/([^/]+)$/.exec(root.subjectAltName ?? '')?.[1] ?? ''))
  const [trustDomain] = domains
  if (trustDomain === undefined)
    throw new TrustError('enrolment_pin', 'what answers there is not the control plane that made the token')
  if (domains.size !== 1) throw new TrustError('enrolment_pin', 'the roots are of several trust domains')
  requireTrustDomain(trustDomain)
  return { trustDomain, rootsPem: roots.map((root) => root.toString()) }
}
