import { describe, expect, it } from 'vitest'
import { findTactics, findTechniques, isTechniqueId, techniquesIn } from './techniques.ts'

describe('ATT&CK ids', () => {
  it.each([
    ['T1059', ['T1059']],
    ['T1059.001.', ['T1059.001']],
    ['TA0006:T1098.001, T1110;t1111', ['T1098.001', 'T1110']],
    ['attack.t1110 attack.t1059', ['T1059', 'T1110']],
    ['https://attack.mitre.org/techniques/T1547/001/', ['T1547.001']],
    ['Valid Accounts (T1078)', ['T1078']],
    ['xT1059 T10591 T1059.1 T1059.0011 2026-01-01T1059 T1059a T1059_x', []],
    ['', []],
  ])('in %j are %j', (text, ids) => {
    expect(findTechniques(text)).toEqual(ids)
  })

  it('tactics are not techniques', () => {
    expect(findTechniques('TA0006')).toEqual([])
    expect(findTactics('TA0006 - Credential Access, TA00061')).toEqual(['TA0006'])
  })

  it('a whole id is judged by its shape', () => {
    expect(['T1059', 'T1059.001', 'T105', 'T1059.01', ' T1059'].map(isTechniqueId)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ])
  })

  it('are found anywhere in a payload, keys included, within bounds', () => {
    expect(techniquesIn({ a: [{ b: 'uses T1003.001' }], T1486: true, n: 4 })).toEqual(['T1003.001', 'T1486'])
    expect(techniquesIn(Array.from({ length: 50_000 }, (_, index) => `T${1000 + (index % 9000)}`))).toHaveLength(100)
  })
})
