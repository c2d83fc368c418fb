import {
  connectionHeaders,
  type EgressRule,
  idempotentMethods,
  type Json,
  type StepOf,
  safeMethods,
} from '@redoubt/contract'
import { type GuardedResponse, guardedRequest, RequestError, type Resolve } from '../egress/guarded-request.ts'
import { cleanJson, NotJson } from './clean-json.ts'
import type { Clock } from './execution.ts'
import type { Sandbox, Variables } from './sandbox.ts'
import { StepFailure } from './step-failure.ts'
import { expressionsIn, fillHeaders, fillJson, fillUrl } from './template.ts'

type HttpStep = StepOf<'http.request'>
type Surroundings = {
  readonly sandbox: Sandbox
  readonly resolve: Resolve
  readonly clock: Clock
  readonly egress: readonly EgressRule[]
  readonly variables: Variables
}

/** Whether sending this again could act twice (RFC 9110 section 9.2.1). */
export const cannotRepeat = (step: HttpStep): boolean => !safeMethods.has(step.method)

/** Headers of a response that steps may read; cookies and the like stay outside. */
const readableHeaders = ['content-type', 'location', 'etag', 'last-modified', 'retry-after', 'x-request-id']

/** Sends the request of a step. Throws StepFailure, FillError or ExpressionError. */
export const sendRequest = async (
  step: HttpStep,
  around: Surroundings,
): Promise<{ readonly output: Json; readonly summary: string }> => {
  const expressions = expressionsIn([step.url, Object.values(step.headers), step.body ?? null])
  const values = await around.sandbox.evaluate([...new Set(expressions)], around.variables)
  const url = fillUrl(step.url, values)
  const headers = fillHeaders(step.headers, values)
  for (const name of Object.keys(headers)) {
    if (connectionHeaders.has(name)) throw new StepFailure('header', `a plan cannot set the header ${name}`)
  }
  const body = step.body === undefined ? undefined : JSON.stringify(fillJson(step.body, values))
  const attempts = step.retry !== undefined && idempotentMethods.has(step.method) ? step.retry.attempts : 1

  for (let attempt = 1; ; attempt++) {
    const outcome = await once(step, { url, headers, body }, around)
    if (!(outcome instanceof StepFailure)) return outcome
    if (attempt >= attempts || !worthRetrying(outcome)) throw outcome
    await around.clock.sleep(step.retry?.delayMs ?? 0)
  }
}

const worthRetrying = (failure: StepFailure): boolean =>
  failure.code === 'timeout' ||
  failure.code === 'connection' ||
  failure.code === 'egress_unresolved' ||
  (failure.code === 'unexpected_status' && /^status (429|5\d\d)/.test(failure.summary))

const once = async (
  step: HttpStep,
  filled: { readonly url: URL; readonly headers: Readonly<Record<string, string>>; readonly body: string | undefined },
  { egress, resolve }: Surroundings,
): Promise<StepFailure | { readonly output: Json; readonly summary: string }> => {
  const type = filled.body === undefined ? {} : { 'content-type': 'application/json' }
  const headers = { ...type, ...filled.headers }
  try {
    const response = await guardedRequest({
      ...filled,
      method: step.method,
      headers,
      timeoutMs: step.timeoutMs,
      egress,
      resolve,
    })
    const summary = `status ${response.status}, ${response.body.byteLength} bytes`
    if (step.expect.status.includes(response.status)) return { output: outputOf(response), summary }
    const message = `the target answered with status ${response.status}; expected ${step.expect.status.join(', ')}`
    return new StepFailure('unexpected_status', message, summary)
  } catch (error) {
    if (!(error instanceof RequestError)) throw error
    const unknown = error.sent && cannotRepeat(step)
    const message = unknown
      ? `${error.message}; whether the target acted on this ${step.method} is unknown`
      : error.message
    return new StepFailure(error.code, message)
  }
}

/** What later steps can read: status, some headers, and the body as JSON when it says so, else as text. */
const outputOf = (response: GuardedResponse): Json => {
  const headers = readableHeaders.flatMap((name): [string, string][] => {
    const value = response.headers[name]
    return typeof value === 'string' ? [[name, value.slice(0, 8192).toWellFormed()]] : []
  })
  return { status: response.status, headers: Object.fromEntries(headers), body: bodyOf(response) }
}

const bodyOf = ({ headers, body }: GuardedResponse): Json => {
  const text = body.toString('utf8')
  const type =
    String(headers['content-type'] ?? '')
      .split(';')[0]
      ?.trim()
      .toLowerCase() ?? ''
  if (type !== 'application/json' && !type.endsWith('+json')) return text
  try {
    return cleanJson(JSON.parse(text))
  } catch (error) {
    // A target that promises JSON and sends something else is read as text; the next step sees the difference.
    if (error instanceof SyntaxError || error instanceof NotJson) return text
    throw error
  }
}
