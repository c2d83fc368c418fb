import { z } from 'zod'
import { Done, Nothing, pageOf, Timestamp } from './fields.ts'
import type { OpGroup } from './operation.ts'

/** `noun/…/name`, as in `secret://smtp/password`. */
export const SecretPath = z
  .string()
  .max(200, 'must be at most 200 characters')
  .regex(
    /^[a-z0-9][a-z0-9_-]*(\/[a-z0-9][a-z0-9_-]*){0,7}$/,
    'must be lower-case words with slashes, such as smtp/password',
  )

/** `due`: older than 90 days; `missing`: the configuration refers to it and it is not there. */
export const secretHealths = ['good', 'due', 'missing'] as const
export type SecretHealth = (typeof secretHealths)[number]

export const SecretSummary = z.object({
  path: z.string(),
  /** 0 when it is missing. */
  version: z.int(),
  writtenAt: Timestamp.nullable(),
  health: z.enum(secretHealths),
  /** Kept and rotated by the platform itself: nobody sets or removes it by hand. */
  managed: z.boolean(),
  /** Settings that name it as `secret://path`. */
  settings: z.array(z.string()),
})
export type SecretSummary = z.output<typeof SecretSummary>

/** Every message is fixed text: a refusal of a value never quotes it. */
const SecretText = z.string('must be a text').min(1, 'must not be empty').max(65_536, 'must be at most 64 KiB')

export const secrets = {
  list: {
    kind: 'read',
    access: { permission: 'installation:read' },
    summary: 'The secrets of the installation by path: versions, ages and health, never a value.',
    input: Nothing,
    output: pageOf(SecretSummary),
    rest: { method: 'GET', path: '/installation/secrets' },
  },
  set: {
    kind: 'write',
    access: { permission: 'installation:manage' },
    summary: 'Set or replace a secret. Its value is never shown again, by no operation.',
    input: z.object({
      path: SecretPath,
      value: SecretText,
      /** The version you saw, 0 for a new one: of two who replace at once the second is told so. */
      expectedVersion: z.int().min(0),
    }),
    output: z.object({ version: z.int() }),
    rest: { method: 'POST', path: '/installation/secrets' },
    limit: 'expensive',
  },
  remove: {
    kind: 'write',
    access: { permission: 'installation:manage' },
    summary: 'Remove a secret with all its versions.',
    input: z.object({ path: SecretPath }),
    output: Done,
    rest: { method: 'DELETE', path: '/installation/secrets' },
    limit: 'expensive',
  },
} as const satisfies OpGroup
