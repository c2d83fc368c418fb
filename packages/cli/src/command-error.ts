import { RedoubtProblem } from '@redoubt/sdk'

/** What a command tells the person in one sentence; 1: it did not work, 2: it was written wrongly. */
export class CommandError extends Error {
  readonly exitCode: 1 | 2
  /** For scripts; a word of whoever refused. */
  readonly code: string

  constructor(
    sentence: string,
    options: { readonly exitCode?: 1 | 2; readonly code?: string; readonly cause?: unknown } = {},
  ) {
    super(sentence, { cause: options.cause })
    this.name = 'CommandError'
    this.exitCode = options.exitCode ?? 1
    this.code = options.code ?? (this.exitCode === 2 ? 'usage' : 'failed')
  }
}

/** A failure as `--json` prints it, with the sentence that people read. */
export type Failure = {
  readonly sentence: string
  readonly exitCode: 1 | 2
  readonly error: {
    readonly code: string
    readonly detail: string
    readonly errors?: readonly { readonly path: string; readonly message: string }[]
    readonly requestId?: string
  }
}

/** Puts whatever a command threw into words; a refusal keeps its fields and the request id to quote. */
export function failureOf(error: unknown): Failure {
  if (error instanceof RedoubtProblem) {
    const { code, errors, requestId } = error
    const wrong = errors.map(({ path, message }) => `${path}: ${message}`)
    const sentence = wrong.length > 0 ? `${error.title}: ${wrong.join('; ')}` : error.message
    return {
      sentence: requestId === undefined ? sentence : `${sentence} (request ${requestId})`,
      exitCode: 1,
      error: {
        code,
        detail: error.detail ?? error.title,
        ...(errors.length > 0 ? { errors } : {}),
        ...(requestId === undefined ? {} : { requestId }),
      },
    }
  }
  const detail = error instanceof Error ? error.message : String(error)
  const { exitCode, code } = error instanceof CommandError ? error : { exitCode: 1 as const, code: 'failed' }
  return { sentence: detail, exitCode, error: { code, detail } }
}
