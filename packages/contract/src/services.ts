import { z } from 'zod'
import { Done, line, Nothing, Timestamp } from './fields.ts'
import type { OpGroup } from './operation.ts'

export const ServiceStatus = z.object({
  service: z.string(),
  spiffeId: z.string(),
  version: z.string().nullable(),
  startedAt: Timestamp.nullable(),
  /** Null when it was not heard of since the keeper's start. */
  lastSeenAt: Timestamp.nullable(),
  certificate: z.object({ serial: z.string(), notBefore: Timestamp, notAfter: Timestamp }).nullable(),
  denied: z.boolean(),
})
export type ServiceStatus = z.output<typeof ServiceStatus>

/** A SPIFFE id, or the serial of one certificate in lower-case hexadecimal. */
const Subject = z
  .string()
  .max(2048, 'must be at most 2048 characters')
  .regex(
    /^(spiffe:\/\/[a-z0-9._-]{1,255}\/[A-Za-z0-9._/-]{1,1024}|[0-9a-f]{2,64})$/,
    'must be a SPIFFE id such as spiffe://redoubt.internal/service/api, or the serial of a certificate',
  )

export const services = {
  list: {
    kind: 'read',
    access: { permission: 'installation:read' },
    summary: 'Every service with its identity, its certificate and when it was last heard of; and the deny-list.',
    input: Nothing,
    output: z.object({
      items: z.array(ServiceStatus),
      /** SPIFFE ids and serials that are not believed, those of runners included. */
      denials: z.array(z.object({ subject: z.string(), reason: z.string(), at: Timestamp })),
      /** The service that answered. */
      answeredBy: z.string(),
    }),
    rest: { method: 'GET', path: '/installation/services' },
  },
  deny: {
    kind: 'write',
    access: { permission: 'installation:manage' },
    summary: 'Take an identity or a certificate out of trust, in every service at once.',
    input: z.object({ subject: Subject, reason: line(200) }),
    output: Done,
    rest: { method: 'POST', path: '/installation/services/deny' },
    limit: 'expensive',
  },
  admit: {
    kind: 'write',
    access: { permission: 'installation:manage' },
    summary: 'Take an identity or a certificate off the deny-list.',
    input: z.object({ subject: Subject }),
    output: Done,
    rest: { method: 'POST', path: '/installation/services/admit' },
    limit: 'expensive',
  },
} as const satisfies OpGroup
