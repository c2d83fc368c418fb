import { severities } from '@redoubt/contract'
import { z } from 'zod'
import { type Path, parsePath } from './paths.ts'

/**
 * Declared mappings of a `generic` source: where its alerts keep what. Checked when the source is created, so that
 * a path that cannot be read is refused then and not at three in the morning.
 */

const MAX_PATH = 256

const path = z
  .string()
  .min(1)
  .max(MAX_PATH)
  .superRefine((text, check) => {
    try {
      parsePath(text)
    } catch (error) {
      check.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'not a path' })
    }
  })

export const mappingsSchema = z
  .strictObject({
    title: path,
    description: path,
    severity: z.union([
      path,
      z.strictObject({
        path,
        /** The vendor's values, compared without case, to ours. */
        map: z.record(z.string().max(64), z.enum(severities)).default({}),
        default: z.enum(severities).optional(),
      }),
    ]),
    time: path,
    ref: path,
    techniques: path,
  })
  .partial()

export type Mappings = z.input<typeof mappingsSchema>

export type CompiledMappings = {
  title?: Path
  description?: Path
  time?: Path
  ref?: Path
  techniques?: Path
  severity?: {
    path: Path
    map: ReadonlyMap<string, (typeof severities)[number]>
    fallback?: (typeof severities)[number]
  }
}

const compiled = new WeakMap<object, CompiledMappings>()

/** Checks and compiles declared mappings; remembers the result for as long as the object lives. Throws `z.ZodError`. */
export function compileMappings(mappings: Mappings): CompiledMappings {
  const known = compiled.get(mappings)
  if (known) return known
  const checked = mappingsSchema.parse(mappings)
  const made: CompiledMappings = {}
  for (const slot of ['title', 'description', 'time', 'ref', 'techniques'] as const) {
    const text = checked[slot]
    if (text !== undefined) made[slot] = parsePath(text)
  }
  if (typeof checked.severity === 'string') made.severity = { path: parsePath(checked.severity), map: new Map() }
  else if (checked.severity) {
    const { path: text, map, default: fallback } = checked.severity
    const entries = Object.entries(map).map(([word, severity]) => [word.toLowerCase(), severity] as const)
    made.severity = { path: parsePath(text), map: new Map(entries), ...(fallback ? { fallback } : {}) }
  }
  compiled.set(mappings, made)
  return made
}
