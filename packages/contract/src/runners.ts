import { z } from 'zod'
import { Done, line, Nothing, OpaqueToken, OrganizationId, pageOf, RunnerId, Timestamp } from './fields.ts'
import type { OpGroup } from './operation.ts'
import { RunReport } from './plan.ts'

export const Runner = z.object({
  id: RunnerId,
  name: z.string(),
  url: z.string(),
  keyId: z.string(),
  enrolledAt: Timestamp,
  lastSeenAt: Timestamp.nullable(),
  revoked: z.boolean(),
})
export type Runner = z.output<typeof Runner>

const PublicEcKey = z.strictObject({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  y: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
})

/** A PKCS#10 request (RFC 2986), PEM. */
const CertificateRequest = z.string().min(1).max(8192)

const RunnerTrust = z.object({
  rootsPem: z.array(z.string().max(16_384)).min(1).max(8),
  /** Services, as SPIFFE IDs, and serials of certificates that are not to be believed. */
  denied: z.array(z.string().max(2048)),
})
export type RunnerTrust = z.output<typeof RunnerTrust>

/** A runner's X.509-SVID of a day, for both ends of its channel. */
const RunnerCertificate = z.object({ certificatePem: z.string().max(16_384), ...RunnerTrust.shape })

/** Where anybody finds the roots of the control plane, on the runners' port; a runner believes those its token pins. */
export const ROOTS_PATH = '/.well-known/redoubt-roots.json'
export const Roots = z.object({ rootsPem: RunnerTrust.shape.rootsPem })

export const runners = {
  list: {
    kind: 'read',
    access: { permission: 'runner:read' },
    summary: 'Runners of the organization.',
    input: Nothing,
    output: pageOf(Runner),
    rest: { method: 'GET', path: '/runners' },
  },
  invite: {
    kind: 'write',
    access: { permission: 'runner:manage' },
    summary: 'Make a one-time enrolment token for a runner; shown once, valid for an hour.',
    input: z.object({ name: line(120) }),
    output: z.object({
      /** The one-time token and, behind each `~`, a pin of an authority the control plane is known by. */
      token: z.string(),
      expiresAt: Timestamp,
      /** Where runners reach the control plane. */
      controlPlane: z.url(),
      command: z.string(),
    }),
    rest: { method: 'POST', path: '/runners/enrolments' },
  },
  revoke: {
    kind: 'write',
    access: { permission: 'runner:manage' },
    summary: 'Revoke a runner: no plan is sent to it and no report of it is taken any more.',
    input: z.object({ id: RunnerId }),
    output: Done,
    rest: { method: 'DELETE', path: '/runners/{id}' },
  },
  enroll: {
    kind: 'write',
    access: { public: 'the one-time enrolment token is the credential' },
    summary: 'Enrol a runner with its public key, and certify the key of its channel.',
    input: z.object({
      token: OpaqueToken,
      publicKey: PublicEcKey,
      url: z
        .url({ protocol: /^https$/, error: 'must be https://host:port: runners are reached over TLS alone' })
        .max(300),
      certificateRequest: CertificateRequest,
    }),
    output: z.object({
      runnerId: RunnerId,
      organizationId: OrganizationId,
      issuer: z.string(),
      trustDomain: z.string(),
      ...RunnerCertificate.shape,
    }),
    rest: { method: 'POST', path: '/runner/enroll' },
    rpc: false,
    channel: 'runners',
    limit: 'sign-in',
  },
  renew: {
    kind: 'write',
    access: { machine: 'uncertified-runner' },
    summary: 'Certify a new key of a runner’s channel for another day.',
    input: z.object({ certificateRequest: CertificateRequest }),
    output: RunnerCertificate,
    rest: { method: 'POST', path: '/runner/certificate' },
    rpc: false,
    channel: 'runners',
  },
  trust: {
    kind: 'read',
    access: { machine: 'runner' },
    summary: 'The keys that sign plans, and whom a runner is to trust at this moment.',
    input: Nothing,
    output: z.object({ planKeys: z.object({ keys: z.array(z.looseObject({})) }), ...RunnerTrust.shape }),
    rest: { method: 'GET', path: '/runner/trust' },
    rpc: false,
    channel: 'runners',
  },
  report: {
    kind: 'write',
    access: { machine: 'runner' },
    summary: 'Report the outcome of a run, at least once; repeated reports change nothing.',
    input: RunReport,
    output: Done,
    rest: { method: 'POST', path: '/runner/reports' },
    rpc: false,
    channel: 'runners',
  },
} as const satisfies OpGroup
