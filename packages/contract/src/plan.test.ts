import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Plan, type Step, tlpWithin } from './plan.ts'
import { isCanonicalHost, literalOrigin, splitTemplate } from './plan-template.ts'

/** A template that begins, and goes on with what is given. */
const open = (rest: string) => `$\{{${rest}`
const uuid = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'
const comment = (id: string): Step => ({ id, type: 'case.comment', text: 'x' })
const plan = (steps: readonly unknown[], more: object = {}) => ({
  format: 'redoubt.plan/v1',
  planId: uuid,
  runId: uuid,
  organizationId: uuid,
  runnerId: uuid,
  playbook: { id: uuid, version: 1, sha256: 'a'.repeat(64) },
  caseId: null,
  tlp: 'AMBER',
  issuedAt: '2026-01-31T10:00:00Z',
  inputs: { case: null, observables: [] },
  egress: [],
  steps,
  approvals: [],
  ...more,
})
const nested = (depth: number): Step =>
  depth === 1
    ? comment('leaf')
    : { id: `c${depth}`, type: 'condition', if: 'true', whenTrue: [nested(depth - 1)], whenFalse: [] }

describe('the plan format', () => {
  it('takes 100 steps and 8 levels, and no more', () => {
    const many = (count: number) => plan(Array.from({ length: count }, (_, index) => comment(`s${index}`)))
    expect(Plan.safeParse(many(100)).success).toBe(true)
    expect(Plan.safeParse(many(101)).success).toBe(false)
    expect(Plan.safeParse(plan([nested(8)])).success).toBe(true)
    expect(Plan.safeParse(plan([nested(9)])).success).toBe(false)
  })

  it('refuses a value nested beyond all measure without exhausting the stack', () => {
    let deep: unknown = comment('leaf')
    for (let level = 0; level < 100_000; level++)
      deep = { id: 'c', type: 'condition', if: 'x', whenTrue: [deep], whenFalse: [] }
    expect(Plan.safeParse(plan([deep])).error?.issues).toMatchObject([{ message: 'the plan is nested too deeply' }])
  })

  it.each([
    ['an unknown key', plan([comment('a')], { note: 1 })],
    ['an unknown key in a step', plan([{ ...comment('a'), note: 1 }])],
    [
      'a step id twice',
      plan([comment('a'), { id: 'b', type: 'condition', if: 'x', whenTrue: [comment('a')], whenFalse: [] }]),
    ],
    ['another format', plan([comment('a')], { format: 'redoubt.plan/v2' })],
    ['no steps', plan([])],
    [
      'a pattern on the egress list',
      plan([comment('a')], { egress: [{ host: '*.example.com', port: 443, allowPrivate: false }] }),
    ],
    ['a case id without a case', plan([comment('a')], { caseId: uuid })],
    [
      '300 KB',
      plan([comment('a')], {
        inputs: { case: null, observables: Array(100).fill({ type: 'url', value: 'x'.repeat(3000) }) },
      }),
    ],
    ['nothing', undefined],
    ['null', null],
  ])('refuses %s', (_name, value) => {
    expect(Plan.safeParse(value).success).toBe(false)
  })

  it('orders TLP from CLEAR to RED', () => {
    expect([tlpWithin('AMBER', 'AMBER'), tlpWithin('AMBER+STRICT', 'AMBER'), tlpWithin('CLEAR', 'RED')]).toEqual([
      true,
      false,
      true,
    ])
  })
})

describe('templates', () => {
  it('are cut into pieces that make up the whole string again', () => {
    const piece = fc.oneof(
      fc.string().filter((text) => !text.includes('$')),
      fc.constantFrom('a.b', '{"a": {"b": 1}}', "'}}'", '"\\"}}"', '[1]["}"]').map((source) => `$\{{ ${source} }}`),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const source = pieces.join('')
        const back = splitTemplate(source).map((part) => ('text' in part ? part.text : `$\{{ ${part.expression} }}`))
        expect(back.join('')).toBe(source)
      }),
    )
  })

  it('that are not closed or hold nothing are refused where they begin', () => {
    for (const source of ['', ' }}', " '}}", ' { }}', ' a } }}']) {
      expect(() => splitTemplate(`ab ${open(source)}`), source).toThrowError(expect.objectContaining({ offset: 3 }))
    }
  })
})

describe('the origin of a URL', () => {
  it('has to be literal, plain and complete', () => {
    expect(literalOrigin(`https://a.example/${open(' x }}')}`)).toEqual({
      scheme: 'https',
      host: 'a.example',
      port: 443,
    })
    expect(literalOrigin('http://[::1]:8080/x')).toEqual({ scheme: 'http', host: '::1', port: 8080 })
    for (const url of [
      '',
      'a.example',
      '//a.example/',
      'ftp://a/',
      'https://',
      'https://u@a/',
      'https:///a',
      'https://a\\b/',
      `https://a.example?${open(' x }}')}`,
      'https://a/#b',
    ])
      expect(() => literalOrigin(url), url).toThrow()
  })

  it('has one spelling for one host', () => {
    for (const host of ['a.example', 'xn--mnchen-3ya.example', '127.0.0.1', '::1'])
      expect(isCanonicalHost(host), host).toBe(true)
    for (const host of [
      'A.example',
      'a.example.',
      'münchen.example',
      '127.1',
      '0x7f000001',
      '[::1]',
      '0:0::1',
      'a b',
      'a/b',
      'a@b',
      '*.a',
      '',
    ])
      expect(isCanonicalHost(host), host).toBe(false)
  })
})
