import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { contract, type OpSpec } from './index.ts'

type Shape = {
  type?: string
  enum?: unknown[]
  const?: unknown
  format?: string
  pattern?: string
  maxLength?: number
  maxItems?: number
  maximum?: number
  exclusiveMaximum?: number
  items?: Shape
  properties?: Record<string, Shape>
  additionalProperties?: Shape | boolean
  propertyNames?: Shape
  anyOf?: Shape[]
  oneOf?: Shape[]
  allOf?: Shape[]
  $ref?: string
}

/** Places of an input that a caller could make as long as they like. */
function* unbounded(shape: Shape, path: string): Generator<string> {
  for (const branch of [...(shape.anyOf ?? []), ...(shape.oneOf ?? [])]) yield* unbounded(branch, path)
  if (shape.enum || shape.const !== undefined || shape.$ref) return
  // A pattern that is anchored and counts its characters is a bound too.
  const counted =
    shape.pattern !== undefined &&
    /^\^.*\$$/.test(shape.pattern) &&
    !/[*+](?!\\)/.test(shape.pattern.replaceAll(/\\[*+]/g, ''))
  const formatted = shape.format === 'uuid' || shape.format === 'date-time'
  if (shape.type === 'string' && shape.maxLength === undefined && !counted && !formatted) yield path
  if (shape.type === 'array') {
    if (shape.maxItems === undefined) yield `${path}[]`
    if (shape.items) yield* unbounded(shape.items, `${path}[]`)
  }
  if (
    (shape.type === 'number' || shape.type === 'integer') &&
    shape.maximum === undefined &&
    shape.exclusiveMaximum === undefined
  )
    yield path
  for (const [key, property] of Object.entries(shape.properties ?? {}))
    yield* unbounded(property, path ? `${path}.${key}` : key)
  if (typeof shape.additionalProperties === 'object') yield* unbounded(shape.additionalProperties, `${path}.*`)
}

it('sees what has no bound', () => {
  const open: Shape = {
    type: 'object',
    properties: { a: { type: 'string' }, b: { type: 'array', items: { type: 'integer' } } },
  }
  expect([...unbounded(open, '')]).toEqual(['a', 'b[]', 'b[]'])
})

const operations = Object.entries(contract).flatMap(([group, specs]) =>
  Object.entries(specs as Record<string, OpSpec>).map(([name, spec]) => ({ name: `${group}.${name}`, spec })),
)

describe.each(operations)('$name', ({ spec }) => {
  it('takes no text, list or number without a bound', () => {
    const shape = z.toJSONSchema(spec.input, { io: 'input', unrepresentable: 'any' }) as Shape
    expect([...unbounded(shape, '')]).toEqual([])
  })
  it('says in one sentence what it does, and why it is open where it is', () => {
    expect(spec.summary).toMatch(/^[A-Z].{10,240}\.$/)
    for (const reason of [spec.unaudited, 'public' in spec.access ? spec.access.public : undefined]) {
      if (reason !== undefined) expect(reason.length).toBeGreaterThan(20)
    }
  })
})
