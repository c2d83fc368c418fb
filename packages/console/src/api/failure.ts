import type { ErrorCode, FieldError, Problem } from '@redoubt/contract'

/** What a person is told when something did not work. */
export type Failure = {
  /** `unreachable`: no answer came at all. */
  readonly code: ErrorCode | 'unreachable'
  readonly title: string
  readonly detail: string | null
  /** What the person can do next. */
  readonly advice: string
  readonly requestId: string | null
  readonly fields: readonly FieldError[]
}

const advice: Record<ErrorCode | 'unreachable', string> = {
  bad_request: 'Check the marked fields and send again.',
  unauthenticated: 'Sign in again; you come back to this page.',
  forbidden: 'Ask an admin of this organization for the permission, or switch to another organization.',
  not_found: 'It may have been removed, or it belongs to another organization.',
  method_not_allowed: 'Reload the page: the console may be older than the platform.',
  conflict: 'Reload to see the present state, then decide again.',
  stale: 'Compare both versions and keep the one you want.',
  gone: 'Ask for a new link.',
  too_large: 'Send less at once.',
  unsupported_media_type: 'Reload the page: the console may be older than the platform.',
  unprocessable: 'Mend what is named above and send again.',
  rate_limited: 'Wait a moment; the page tries again by itself.',
  internal: 'Try again. If it stays, give the request id to whoever runs the platform.',
  unavailable: 'The platform is starting or stopping; the page tries again by itself.',
  unreachable: 'Check the connection; the page tries again by itself. Nothing you entered is lost.',
}

/** Reads the RFC 9457 problem out of a failed call. Never throws; what is not understood is `unreachable`. */
export function failureOf(error: unknown): Failure {
  const problem = problemOf(error)
  if (problem === null) {
    return {
      code: 'unreachable',
      title: 'The platform does not answer',
      detail: null,
      advice: advice.unreachable,
      requestId: null,
      fields: [],
    }
  }
  return {
    code: problem.code,
    title: problem.title,
    detail: problem.detail ?? null,
    advice: advice[problem.code],
    requestId: problem.requestId,
    fields: problem.errors ?? [],
  }
}

/** True when a later try may succeed without anybody changing anything. */
export function isPassing(error: unknown): boolean {
  return ['rate_limited', 'unavailable', 'unreachable'].includes(failureOf(error).code)
}

function problemOf(error: unknown): Problem | null {
  if (typeof error !== 'object' || error === null || !('data' in error)) return null
  const { data } = error
  return isProblem(data) ? data : null
}

function isProblem(value: unknown): value is Problem {
  return (
    typeof value === 'object' &&
    value !== null &&
    'code' in value &&
    typeof value.code === 'string' &&
    value.code in advice &&
    'title' in value &&
    'requestId' in value
  )
}
