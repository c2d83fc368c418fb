import { randomUUID } from 'node:crypto'
import { contract, type OpSpec, type Role, roles } from '@redoubt/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Operation } from '../src/platform/dispatch.ts'
import type { Credentials } from '../src/platform/operation.ts'
import { startTestPlatform, type TestOrganization, type TestPerson, type TestPlatform } from './harness.ts'

let t: TestPlatform
let other: TestOrganization
const people = {} as Record<Role, TestPerson>
beforeAll(async () => {
  t = await startTestPlatform()
  const own = await t.organization()
  other = await t.organization()
  for (const role of roles) people[role] = await t.member(own, role)
})
afterAll(() => t.stop())

const all = Object.entries(contract).flatMap(([group, specs]) =>
  Object.entries(specs as Record<string, OpSpec>).map(([name, spec]) => ({ name: `${group}.${name}`, spec })),
)
const guarded = all.filter(({ spec }) => 'permission' in spec.access)
let asked = 0
async function codeOf(
  name: string,
  credentials: Credentials,
  organizationId: string | null,
  input: unknown,
): Promise<string> {
  asked++
  try {
    await t.dispatch(t.operations.find((operation) => operation.name === name) as Operation, {
      requestId: randomUUID(),
      address: '127.0.0.1',
      userAgent: 'test',
      credentials,
      organizationId,
      input,
    })
    return 'ok'
  } catch (error) {
    return (error as { code?: string }).code ?? 'internal'
  }
}
const browser = (person: TestPerson): Credentials => ({ kind: 'browser', token: person.token })

it('has a function for every operation of the contract', () => {
  expect(t.operations.map(({ name }) => name).sort()).toEqual(all.map(({ name }) => name).sort())
})

describe.each(all.filter(({ spec }) => !('public' in spec.access)))('$name', ({ name, spec }) => {
  it('is refused without credentials, before its input is read', async () => {
    expect(await codeOf(name, { kind: 'none' }, people.admin.organizationId, { garbage: true })).toBe('unauthenticated')
    expect(await codeOf(name, { kind: 'browser', token: 'rdt_ses_made-up' }, people.admin.organizationId, {})).toBe(
      'unauthenticated',
    )
    expect(await codeOf(name, { kind: 'bearer', token: 'a.b.c' }, people.admin.organizationId, {})).toBe(
      'unauthenticated',
    )
    if ('machine' in spec.access)
      expect(await codeOf(name, browser(people.admin), people.admin.organizationId, {})).toBe('unauthenticated')
  })
})

describe.each(guarded)('$name', ({ name, spec }) => {
  const permission = 'permission' in spec.access ? spec.access.permission : ''
  it('is refused to every role without its permission', async () => {
    for (const role of roles) {
      if (t.access.permissionsOf(role, true).includes(permission as never)) continue
      expect(await codeOf(name, browser(people[role]), people[role].organizationId, {}), role).toBe('forbidden')
    }
  })
  it('is refused in an organization one does not belong to', async () => {
    expect(await codeOf(name, browser(people.admin), other.id, {})).toBe('forbidden')
    expect(await codeOf(name, browser(people.admin), null, {})).toBe('bad_request')
    expect(await codeOf(name, browser(people.admin), 'not an id', {})).toBe('forbidden')
  })
})

describe.each(
  all.filter(
    ({ spec }) =>
      Object.keys(
        (z.toJSONSchema(spec.input, { io: 'input', unrepresentable: 'any' }) as { properties?: object }).properties ??
          {},
      ).length > 0,
  ),
)('$name', ({ name, spec }) => {
  it('refuses input of the wrong shape, naming the place', async () => {
    if ('machine' in spec.access) return
    const credentials: Credentials = 'public' in spec.access ? { kind: 'none' } : browser(people.admin)
    for (const input of ['text', 7, [], wrongly(spec)])
      expect(await codeOf(name, credentials, people.admin.organizationId, input), JSON.stringify(input)).toBe(
        'bad_request',
      )
  })
})

/** Every property a value that no schema of ours takes. */
function wrongly(spec: OpSpec): Record<string, unknown> {
  const { properties = {} } = z.toJSONSchema(spec.input, { io: 'input', unrepresentable: 'any' }) as {
    properties?: Record<string, unknown>
  }
  return Object.fromEntries(Object.keys(properties).map((key) => [key, { nested: { nonsense: [null] } }]))
}

describe('ids of another tenant', () => {
  const withIds = guarded.filter(({ spec }) => spec.rest?.path.includes('{'))
  it.each(withIds)('$name finds nothing there', async ({ name, spec }) => {
    const input = completeInput(spec)
    expect(['not_found', 'bad_request', 'gone', 'unprocessable']).toContain(
      await codeOf(name, browser(people.admin), people.admin.organizationId, input),
    )
  })
})

/** Required properties with plausible values; ids are random, so they belong to nobody or to others. */
function completeInput(spec: OpSpec): Record<string, unknown> {
  type Shape = {
    properties?: Record<string, Shape>
    required?: string[]
    type?: string
    format?: string
    enum?: unknown[]
    anyOf?: Shape[]
    items?: Shape
  }
  const make = (shape: Shape): unknown => {
    if (shape.enum) return shape.enum[0]
    if (shape.anyOf) return make(shape.anyOf[0] as Shape)
    if (shape.format === 'uuid') return randomUUID()
    if (shape.type === 'integer' || shape.type === 'number') return 1
    if (shape.type === 'boolean') return true
    if (shape.type === 'array') return [make(shape.items ?? {})]
    if (shape.type === 'object')
      return Object.fromEntries((shape.required ?? []).map((key) => [key, make(shape.properties?.[key] ?? {})]))
    return 'text'
  }
  return make(z.toJSONSchema(spec.input, { io: 'input', unrepresentable: 'any' }) as Shape) as Record<string, unknown>
}

afterAll(() => {
  // One question at least for each promise of each operation: a generator that went silent would be seen here.
  expect(all.length).toBeGreaterThanOrEqual(60)
  expect(asked).toBeGreaterThan(all.length * 5)
})
