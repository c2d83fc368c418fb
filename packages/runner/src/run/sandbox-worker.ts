import { parentPort } from 'node:worker_threads'
import { Environment, EvaluationError } from '@marcbachmann/cel-js'
import { expressionLimits, expressionVariables, type Json } from '@redoubt/contract'
import { cleanJson, NotJson } from './clean-json.ts'
import type { SandboxAnswer, SandboxQuestion } from './sandbox.ts'

/** Thread in which expressions are evaluated. It answers questions and holds nothing else. */

const environment = new Environment({
  unlistedVariablesAreDyn: false,
  homogeneousAggregateLiterals: false,
  limits: expressionLimits,
})
for (const name of expressionVariables) {
  environment.registerVariable(name, name === 'observables' ? 'list' : name === 'case' ? 'dyn' : 'map')
}

/** JSON has one kind of number and CEL two: whole numbers are `int`, so that `count + 1` works. */
const withIntegers = (value: Json): unknown => {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(withIntegers)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withIntegers(item)]))
}

const port = parentPort
port?.on('message', ({ expressions, variables }: SandboxQuestion) => {
  port.postMessage(answer(expressions, variables))
})
port?.postMessage('ready')

function answer(expressions: readonly string[], variables: { readonly [name: string]: Json }): SandboxAnswer {
  const values: [string, Json][] = []
  let expression = ''
  try {
    const context = Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, withIntegers(value)]))
    for (expression of expressions) values.push([expression, cleanJson(environment.evaluate(expression, context))])
    return { ok: true, values }
  } catch (error) {
    // The engine's own text can quote data; its code cannot.
    const reason =
      error instanceof NotJson ? error.message : error instanceof EvaluationError ? error.code : 'cannot be evaluated'
    return { ok: false, expression, reason }
  }
}
