import { type ErrorCode, errorTable, type FieldError, Problem } from '@redoubt/contract'

/** A refused request, with the fields of RFC 9457. `requestId` is what to quote to the operator. */
export class RedoubtProblem extends Error {
  readonly status: number
  readonly code: ErrorCode
  readonly title: string
  readonly detail: string | undefined
  readonly requestId: string | undefined
  /** Which inputs are wrong, and how to mend them. */
  readonly errors: readonly FieldError[]
  /** Seconds after which a retry makes sense. */
  readonly retryAfter: number | undefined

  constructor(problem: Omit<Problem, 'type' | 'requestId'> & { requestId?: string | undefined }, retryAfter?: number) {
    const fields = (problem.errors ?? []).map(({ path, message }) => `${path}: ${message}`)
    super([problem.detail ?? problem.title, ...fields].join(' '))
    this.name = 'RedoubtProblem'
    this.status = problem.status
    this.code = problem.code
    this.title = problem.title
    this.detail = problem.detail
    this.requestId = problem.requestId
    this.errors = problem.errors ?? []
    this.retryAfter = retryAfter
  }
}

/** The problem an answer that is not 2xx carries, or one made of its status when something between answered instead. */
export async function problemOf(response: Response): Promise<RedoubtProblem> {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  const retryAfter = Number.isFinite(seconds) ? seconds : undefined
  const body: unknown = await response.json().catch(() => null)
  const problem = Problem.safeParse(body)
  if (problem.success) return new RedoubtProblem(problem.data, retryAfter)
  const detail = `${new URL(response.url).host} answered ${response.status}, and not as Redoubt does: check the address.`
  return new RedoubtProblem({ ...codeOf(response.status), status: response.status, detail }, retryAfter)
}

function codeOf(status: number): { code: ErrorCode; title: string } {
  const rows = Object.entries(errorTable) as [ErrorCode, (typeof errorTable)[ErrorCode]][]
  const [code, row] = rows.find(([, { status: known }]) => known === status) ?? ['unavailable', errorTable.unavailable]
  return { code, title: row.title }
}
