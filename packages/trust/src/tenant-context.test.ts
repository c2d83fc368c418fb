import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ContextPrincipal, NIL_ORGANIZATION, sealTenantContext } from './tenant-context.ts'

const key = Buffer.alloc(32, 7)
const organizationId = '0a1f2e3d-0000-4000-8000-00000000000a'
const userId = '0a1f2e3d-0000-4000-8000-00000000000b'
const scope = { expiresAt: new Date(1_772_366_400_999), backendPid: 4711 }
const user: ContextPrincipal = { kind: 'user', organizationId, userId, role: 'admin' }
const invalid = expect.objectContaining({ name: 'TrustError', code: 'context_invalid' })

/** As SQL reads it: right(context, 64), left(context, -64), split_part(body, '|', n). */
const read = (context: string) => ({
  mac: context.slice(-64),
  body: context.slice(0, -64),
  fields: context.slice(0, -64).split('|'),
})

describe('a tenant context', () => {
  test.each<[ContextPrincipal, string]>([
    [user, `${organizationId}|${userId}|admin|1772366400|4711`],
    [
      { kind: 'service', organizationId, service: 'worker' },
      `${organizationId}|service:worker|service|1772366400|4711`,
    ],
    [{ kind: 'system', reason: 'sla-sweep' }, `${NIL_ORGANIZATION}|system:sla-sweep|system|1772366400|4711`],
  ])('of %o is its five fields and 64 digits of HMAC-SHA-256 over them', (principal, body) => {
    const context = sealTenantContext(principal, scope, key)
    expect(read(context).body).toBe(body)
    expect(read(context).mac).toBe(createHmac('sha256', key).update(body).digest('hex'))
  })

  test('has another MAC for any other field or key', () => {
    const macs = [
      sealTenantContext(user, scope, key),
      sealTenantContext({ ...user, organizationId: userId }, scope, key),
      sealTenantContext({ ...user, userId: organizationId }, scope, key),
      sealTenantContext({ ...user, role: 'viewer' }, scope, key),
      sealTenantContext(user, { ...scope, backendPid: 4712 }, key),
      sealTenantContext(user, { ...scope, expiresAt: new Date(0x7fffffff) }, key),
      sealTenantContext(user, scope, Buffer.alloc(32, 8)),
    ].map((context) => read(context).mac)
    expect(new Set(macs).size).toBe(macs.length)
  })

  test('has exactly five fields, whatever text is offered for one', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom('organizationId', 'userId', 'role'), (text, field) => {
        expect(() => sealTenantContext({ ...user, [field]: text } as ContextPrincipal, scope, key)).toThrow(invalid)
        expect(() => sealTenantContext({ kind: 'system', reason: `${text}|` }, scope, key)).toThrow(invalid)
      }),
    )
  })

  test.each<[string, unknown]>([
    ['the system’s organization as a tenant', { ...user, organizationId: NIL_ORGANIZATION }],
    [
      'the system’s organization for a service',
      { kind: 'service', organizationId: NIL_ORGANIZATION, service: 'worker' },
    ],
    ['a service’s role for a user', { ...user, role: 'service' }],
    ['the system’s role for a user', { ...user, role: 'system' }],
    ['a service’s name for a user', { ...user, userId: 'service:worker' }],
    ['an upper-case id', { ...user, organizationId: organizationId.toUpperCase() }],
    ['an id and a newline', { ...user, userId: `${userId}\n` }],
    ['an empty reason', { kind: 'system', reason: '' }],
    ['a long reason', { kind: 'system', reason: 'a'.repeat(41) }],
    ['an unknown kind', { ...user, kind: 'owner' }],
  ])('is not sealed with %s', (_name, principal) => {
    expect(() => sealTenantContext(principal as ContextPrincipal, scope, key)).toThrow(invalid)
  })

  test('is not sealed without a time, a process or a whole key', () => {
    for (const expiresAt of [new Date(Number.NaN), new Date(0), new Date(-1)])
      expect(() => sealTenantContext(user, { ...scope, expiresAt }, key)).toThrow(invalid)
    for (const backendPid of [0, -1, 1.5, Number.NaN, 2 ** 31])
      expect(() => sealTenantContext(user, { ...scope, backendPid }, key)).toThrow(invalid)
    for (const length of [0, 31, 33])
      expect(() => sealTenantContext(user, scope, Buffer.alloc(length))).toThrow(invalid)
  })
})
