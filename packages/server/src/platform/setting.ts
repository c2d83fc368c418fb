import { z } from 'zod'
import { secretReference } from './environment-check.ts'

/** Says one thing that is wrong; all are told together. */
export type Complain = (sentence: string) => void
/** Stands where a complaint was made: the configuration is then refused as a whole. */
export const absent = ''

/** What is wrong with a value whose setting has no sentence of its own for it. */
export function wordsOf(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_value') {
    const values = issue.values.map(String)
    return `must be ${values.slice(0, -1).join(', ')} or ${values.at(-1)}`
  }
  if (issue.code === 'too_small') return 'must not be empty'
  if (issue.code === 'too_big')
    return `must be at most ${issue.maximum}${issue.origin === 'string' ? ' characters' : ''}`
  return undefined
}

type Settings<Name extends string> = { readonly [N in Name]?: unknown }

/** Complains once about all of these that are not set. */
export function need<Name extends string>(
  env: Settings<Name>,
  names: readonly Name[],
  by: string,
  complain: Complain,
): void {
  const missing = names.filter((name) => env[name] === undefined)
  if (missing.length > 0) complain(`${by} needs ${missing.join(', ')}`)
}

/** What is set and has no effect is a mistake: somebody believes it has. */
export function superfluous<Name extends string>(
  env: Settings<Name>,
  names: readonly Name[],
  unless: string,
  complain: Complain,
): void {
  const idle = names.filter((name) => env[name] !== undefined)
  if (idle.length > 0) complain(`${idle.join(', ')} without ${unless} changes nothing: set that too, or unset it`)
}

export const path = z.string().min(1, 'must be a path')
export const port = (fallback: number) =>
  z
    .string()
    .regex(/^\d{1,5}$/, 'must be a port number')
    .transform(Number)
    .pipe(z.int().max(65535))
    .default(fallback)
export const whole = (pattern: RegExp, error: string) => z.string().regex(pattern, error).transform(Number)

/** Secrets travel there (NET-2); plain HTTP is for this machine alone. */
export const httpsAddress = z
  .string()
  .regex(
    /^(https:\/\/[^\s/]|http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(:|\/|$))/,
    'must be https://…; http:// is for this machine alone (127.0.0.1, [::1], localhost)',
  )
  .pipe(z.url({ error: 'must be an address, such as https://vault.example.com:8200' }))

/** `secret://path`. @returns the path */
export const secretPath = z
  .string()
  .regex(secretReference, 'must refer to the secret store: secret://path, after redoubt secret set path')
  .transform((reference) => reference.slice('secret://'.length))
