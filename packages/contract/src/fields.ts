import { z } from 'zod'

/** The bounded building blocks of every input. Nothing in the contract is unbounded in length, count or depth. */

export const line = (max: number) =>
  z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(max, `must be at most ${max} characters`)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the purpose
    .regex(/^[^\u0000-\u001f\u007f]*$/, 'must be one line without control characters')
export const text = (max: number) =>
  z
    .string()
    .max(max, `must be at most ${max} characters`)
    .refine((value) => !value.includes('\u0000'), 'must not contain NUL')

export const OrganizationId = z.uuid().brand<'OrganizationId'>()
export type OrganizationId = z.output<typeof OrganizationId>
export const UserId = z.uuid().brand<'UserId'>()
export type UserId = z.output<typeof UserId>
export const SessionId = z.uuid().brand<'SessionId'>()
export type SessionId = z.output<typeof SessionId>
export const SourceId = z.uuid().brand<'SourceId'>()
export type SourceId = z.output<typeof SourceId>
export const AlertId = z.uuid().brand<'AlertId'>()
export type AlertId = z.output<typeof AlertId>
export const CaseId = z.uuid().brand<'CaseId'>()
export type CaseId = z.output<typeof CaseId>
export const PlaybookId = z.uuid().brand<'PlaybookId'>()
export type PlaybookId = z.output<typeof PlaybookId>
export const RunId = z.uuid().brand<'RunId'>()
export type RunId = z.output<typeof RunId>
export const RunnerId = z.uuid().brand<'RunnerId'>()
export type RunnerId = z.output<typeof RunnerId>

export const Slug = z
  .string()
  .min(2)
  .max(48)
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'use lower-case letters, digits and single hyphens')
export const Email = z.email('must be an e-mail address').max(254).toLowerCase()
/** AUTH-8: at least 12 characters, at most 1 000 bytes, never cut silently. */
export const Password = z.string().min(1).max(1000, 'must be at most 1000 characters')
/** RFC 3339 in UTC. */
export const Timestamp = z.iso.datetime({ offset: true })
export const Version = z.int().min(1)
export const OpaqueToken = z.string().min(16).max(200)

export const severities = ['informational', 'low', 'medium', 'high', 'critical'] as const
export const Severity = z.enum(severities)
export type Severity = z.output<typeof Severity>

/** TLP 2.0 (FIRST), from the widest to the narrowest audience. */
export const tlps = ['CLEAR', 'GREEN', 'AMBER', 'AMBER+STRICT', 'RED'] as const
export const Tlp = z.enum(tlps)
export type Tlp = z.output<typeof Tlp>

export const Technique = z.string().regex(/^T\d{4}(\.\d{3})?$/, 'must be an ATT&CK technique such as T1059.001')

/** A number that REST carries as text in a query string. */
export const count = (max: number) =>
  z.union([
    z.int().min(1).max(max),
    z
      .string()
      .regex(/^\d{1,6}$/)
      .transform(Number)
      .pipe(z.int().min(1).max(max)),
  ])
/** A list that REST carries as a repeated or single query parameter. */
export const listOf = <T extends z.ZodType>(item: T, max: number) =>
  z.union([z.array(item).max(max), item.transform((one) => [one])])
export const flag = z.union([z.boolean(), z.enum(['true', 'false']).transform((value) => value === 'true')])

/** Keyset pagination: pass `next` of one page as `cursor` of the following one. Never an offset. */
export const Page = z.object({ cursor: z.string().max(400).optional(), limit: count(200).default(50) })
export const pageOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), next: z.string().nullable() })

export const Nothing = z.object({})
export const Done = z.object({ done: z.literal(true) })
export const PersonRef = z.object({ id: UserId, name: z.string() })
