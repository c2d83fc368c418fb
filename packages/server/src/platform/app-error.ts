import { type ErrorCode, errorTable, type FieldError, type Problem } from '@redoubt/contract'

/** The one error that operations throw on purpose. `detail` is for the caller; `cause` is only for the log. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly detail: string
  readonly fields: readonly FieldError[]
  /** Seconds after which a retry makes sense; becomes `Retry-After`. */
  readonly retryAfter: number | undefined

  constructor(
    code: ErrorCode,
    detail: string,
    options: { cause?: unknown; fields?: readonly FieldError[]; retryAfter?: number } = {},
  ) {
    super(`${code}: ${detail}`, { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.detail = detail
    this.fields = options.fields ?? []
    this.retryAfter = options.retryAfter
  }
}

/** RFC 9457. What is not an AppError tells the caller nothing but the request id. */
export function problemOf(error: unknown, requestId: string): Problem {
  const known = error instanceof AppError
  const code: ErrorCode = known ? error.code : 'internal'
  const row = errorTable[code]
  return {
    type: `/problems/${code}`,
    title: row.title,
    status: row.status,
    detail: known ? error.detail : `Quote ${requestId} to your operator; the log has the cause.`,
    code,
    requestId,
    ...(known && error.fields.length > 0 ? { errors: [...error.fields] } : {}),
  }
}

/** A sentence for the person at the terminal; the start prints it and exits with 1. */
export class StartError extends Error {
  constructor(sentence: string, options: { cause?: unknown } = {}) {
    super(sentence, options)
    this.name = 'StartError'
  }
}
