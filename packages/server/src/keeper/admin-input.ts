import type { z } from 'zod'
import { KeeperError } from './keeper-error.ts'

/** The input of an operator's request. @throws KeeperError `invalid` that never quotes a value */
export function parse<T extends z.ZodType>(shape: T, input: unknown): z.output<T> {
  const parsed = shape.safeParse(input)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new KeeperError(
    'invalid',
    `${issue?.path.join('.') || 'The request'} ${issue?.message ?? 'is not understood'}.`,
  )
}
