import { type ASTNode, Environment, ParseError } from '@marcbachmann/cel-js'
import { EXPRESSION_MAX, expressionLimits, expressionVariables } from '@redoubt/contract'

const environment = new Environment({
  unlistedVariablesAreDyn: false,
  homogeneousAggregateLiterals: false,
  limits: expressionLimits,
})
for (const name of expressionVariables) {
  environment.registerVariable(name, name === 'observables' ? 'list' : name === 'case' ? 'dyn' : 'map')
}

/** `steps.lookup.body`: the step, and the first field of its output that is read. */
export type Reference = { readonly step: string; readonly field: string | undefined }
export type Checked =
  | { readonly ok: true; readonly type: string; readonly references: readonly Reference[] }
  | { readonly ok: false; readonly message: string }

/** Parses and type-checks a CEL expression and lists the steps it reads. Evaluates nothing, never throws. */
export const checkExpression = (source: string): Checked => {
  if (source.length > EXPRESSION_MAX) {
    return { ok: false, message: `an expression has at most ${EXPRESSION_MAX} characters` }
  }
  try {
    const parsed = environment.parse(source)
    const references: Reference[] = []
    const loose = collect(parsed.ast, references)
    if (loose) {
      return { ok: false, message: 'name the step whose output is read, as in steps.lookup.body' }
    }
    const check = environment.check(source)
    if (!check.valid) return { ok: false, message: sayFault(check.error) }
    return { ok: true, type: check.type ?? 'dyn', references }
  } catch (error) {
    return { ok: false, message: sayFault(error) }
  }
}

const sayFault = (error: unknown): string => {
  if (!(error instanceof Error)) return 'is not a CEL expression'
  const message = error.message.split('\n')[0] ?? ''
  const unknown = /^Unknown variable: (\w+)/.exec(message)
  if (unknown !== null) {
    return `"${unknown[1]}" is unknown; an expression can read ${expressionVariables.join(', ')} (text goes in quotes)`
  }
  return `${error instanceof ParseError ? 'is not a CEL expression' : 'cannot work'}: ${message}`
}

const isNode = (value: unknown): value is ASTNode => typeof value === 'object' && value !== null && 'op' in value
const isSteps = (node: ASTNode): boolean => node.op === 'id' && node.args === 'steps'

/** The step that `node` picks out of `steps`, by `steps.x` or `steps["x"]`. */
const pickedStep = (node: ASTNode): string | undefined => {
  if (node.op === '.' && isSteps(node.args[0])) return node.args[1]
  if (node.op === '[]' && isSteps(node.args[0])) {
    const key = node.args[1]
    if (key.op === 'value' && typeof key.args === 'string') return key.args
  }
  return undefined
}

/** Gathers references; true when `steps` is used in any other way, which nobody could check. */
const collect = (value: unknown, found: Reference[]): boolean => {
  if (Array.isArray(value)) return value.map((item) => collect(item, found)).includes(true)
  if (!isNode(value)) return false
  const step = pickedStep(value)
  if (step !== undefined) {
    found.push({ step, field: undefined })
    return false
  }
  if (value.op === '.') {
    const inner = pickedStep(value.args[0])
    if (inner !== undefined) {
      found.push({ step: inner, field: value.args[1] })
      return false
    }
  }
  return isSteps(value) || collect(value.args, found)
}
