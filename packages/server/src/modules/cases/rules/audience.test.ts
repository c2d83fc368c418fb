import { tlps } from '@redoubt/contract'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Audience, type Member, mergedAudience, refusalOfAudience, sees, settled } from './audience.ts'

const ids = ['ada', 'bob', 'cy', 'di', 'eve', 'fay']
const members: fc.Arbitrary<Member[]> = fc
  .tuple(...ids.map(() => fc.constantFrom('viewer', 'user', 'moderator', 'admin')))
  .map((roles) => ids.map((id, index) => ({ id, role: roles[index] ?? 'viewer' })))
const audience: fc.Arbitrary<Audience> = fc
  .record({
    tlp: fc.constantFrom(...tlps),
    audience: fc.constantFrom('organization' as const, 'named' as const),
    ownerId: fc.option(fc.constantFrom(...ids)),
    recipientIds: fc.uniqueArray(fc.constantFrom(...ids)),
  })
  .map(settled)

describe('the audience of a case', () => {
  test('RED is for its named recipients alone, whatever their role or part in it', () => {
    const red: Audience = { tlp: 'RED', audience: 'named', ownerId: 'bob', recipientIds: ['ada'] }
    expect(sees({ id: 'ada', role: 'viewer' }, red)).toBe(true)
    expect(sees({ id: 'bob', role: 'user' }, red)).toBe(false)
    expect(sees({ id: 'eve', role: 'admin' }, red)).toBe(false)
  })

  test('RED is never kept for the whole organization, and a whole organization has no recipients', () => {
    fc.assert(
      fc.property(audience, (kept) => {
        if (kept.tlp === 'RED') expect(kept.audience).toBe('named')
        if (kept.audience === 'organization') expect(kept.recipientIds).toEqual([])
      }),
    )
  })

  test('nobody can lock themselves out, leave RED to nobody, or leave its owner outside', () => {
    fc.assert(
      fc.property(members, fc.nat(ids.length - 1), audience, (all, index, wanted) => {
        const person = all[index] as Member
        if (refusalOfAudience(person, wanted) !== null) return
        expect(sees(person, wanted)).toBe(true)
        if (wanted.tlp !== 'RED') return
        expect(wanted.recipientIds).not.toEqual([])
        if (wanted.ownerId) expect(wanted.recipientIds).toContain(wanted.ownerId)
      }),
    )
  })
})

describe('the audience of a merge', () => {
  test('is exactly those who could see both, so it never widens and loses nobody', () => {
    fc.assert(
      fc.property(members, audience, audience, (all, target, source) => {
        const merged = mergedAudience(target, source, all)
        for (const member of all) expect(sees(member, merged)).toBe(sees(member, target) && sees(member, source))
      }),
      { numRuns: 2000 },
    )
  })

  test('takes the stricter TLP and keeps an owner who may see it', () => {
    fc.assert(
      fc.property(members, audience, audience, (all, target, source) => {
        const merged = mergedAudience(target, source, all)
        expect(tlps.indexOf(merged.tlp)).toBe(Math.max(tlps.indexOf(target.tlp), tlps.indexOf(source.tlp)))
        const owner = all.find(({ id }) => id === merged.ownerId)
        if (owner) expect(sees(owner, merged)).toBe(true)
      }),
    )
  })

  test('drops who has left the organization', () => {
    const red: Audience = { tlp: 'RED', audience: 'named', ownerId: 'ada', recipientIds: ['ada', 'bob'] }
    expect(mergedAudience(red, red, [{ id: 'bob', role: 'user' }])).toEqual({
      ...red,
      ownerId: null,
      recipientIds: ['bob'],
    })
  })
})
