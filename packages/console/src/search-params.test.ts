import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { auditSearch, casesSearch, inboxSearch, signInSearch, tokenSearch } from './search-params.ts'

describe('what a URL may say', () => {
  it('never sends a person to another origin after sign-in, whatever `to` holds', () => {
    const origin = 'https://redoubt.example'
    const hostile = fc.oneof(
      fc.string(),
      fc.webUrl(),
      fc.constantFrom(
        '//evil.example',
        '/\\evil.example',
        'javascript:alert(1)',
        '/o/\\..\\evil',
        '/o//evil.example',
        '\t//e',
      ),
      fc.string().map((tail) => `/o/${tail}`),
    )
    fc.assert(
      fc.property(hostile, (to) => {
        const kept = signInSearch({ to }).to
        if (kept === undefined) return
        expect(kept.startsWith('/o/')).toBe(true)
        expect(new URL(kept, origin).origin).toBe(origin)
      }),
      { numRuns: 1000 },
    )
    expect(signInSearch({ to: '/o/northwind/inbox?state=any' }).to).toBe('/o/northwind/inbox?state=any')
  })

  it('leaves out what is not understood', () => {
    expect(inboxSearch({ state: 'gone', severity: ['high', 'worst'], search: '', alert: 7, other: 'x' })).toEqual({
      severity: ['high'],
      alert: '7',
    })
    expect(casesSearch({ show: 'mine', phase: 'party', do: 'delete' })).toEqual({ show: 'mine' })
    expect(auditSearch({ event: { nested: true }, action: 'case.read' })).toEqual({ action: 'case.read' })
  })

  it('keeps every parsed address stable when it is parsed again', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('state', 'severity', 'source', 'search', 'alert'), fc.jsonValue()),
        (raw) => {
          const once = inboxSearch(raw)
          expect(inboxSearch(once)).toEqual(once)
        },
      ),
    )
  })

  it('bounds what it takes over', () => {
    expect(tokenSearch({ token: 'a'.repeat(10_000) }).token).toHaveLength(200)
  })
})
