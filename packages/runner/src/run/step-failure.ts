/** A step failed in a way its report can tell: no content, no personal data in code, message or summary. */
export class StepFailure extends Error {
  override readonly name = 'StepFailure'
  readonly code: string
  readonly summary: string
  constructor(code: string, message: string, summary = '') {
    super(message)
    this.code = code
    this.summary = summary
  }
}
