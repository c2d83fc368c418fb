import { z } from 'zod'

/** The closed set of error codes with their HTTP status and a title that does not change (RFC 9457). */
export const errorTable = {
  bad_request: { status: 400, title: 'The request is not valid' },
  unauthenticated: { status: 401, title: 'Sign-in is needed' },
  forbidden: { status: 403, title: 'Not allowed' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'This method is not offered here' },
  conflict: { status: 409, title: 'The request conflicts with the present state' },
  stale: { status: 409, title: 'Somebody else changed this first' },
  gone: { status: 410, title: 'No longer available' },
  too_large: { status: 413, title: 'Too large' },
  unsupported_media_type: { status: 415, title: 'This content type is not accepted' },
  unprocessable: { status: 422, title: 'The content cannot be accepted' },
  rate_limited: { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'Something failed on our side' },
  unavailable: { status: 503, title: 'Not available at the moment' },
} as const

export type ErrorCode = keyof typeof errorTable

/** One rejected input field: where it is, and how to mend it. */
export const FieldError = z.object({ path: z.string(), message: z.string() })
export type FieldError = z.output<typeof FieldError>

/** RFC 9457 problem details, as every transport answers them. `type` is `/problems/<code>`. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().optional(),
  code: z.enum(Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]]),
  requestId: z.string(),
  errors: z.array(FieldError).optional(),
})
export type Problem = z.output<typeof Problem>
