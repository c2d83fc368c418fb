import { errorTable } from '@redoubt/contract'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { failureOf, isPassing } from './failure.ts'

const problem = (code: string) => ({ data: { code, title: 'T', status: 400, type: '/problems/x', requestId: 'r-1' } })

it('every error of the contract tells what to do and keeps its request id', () => {
  for (const code of Object.keys(errorTable)) {
    const failure = failureOf(problem(code))
    expect(failure.code).toBe(code)
    expect(failure.advice.length).toBeGreaterThan(10)
    expect(failure.requestId).toBe('r-1')
  }
})

it('anything else that is thrown reads as no answer, without throwing', () => {
  fc.assert(
    fc.property(fc.anything(), (thrown) => {
      expect(failureOf(thrown).code).toBe('unreachable')
    }),
  )
  expect(failureOf(problem('made-up')).code).toBe('unreachable')
})

it('only what may pass by itself is tried again', () => {
  expect(['rate_limited', 'unavailable'].every((code) => isPassing(problem(code)))).toBe(true)
  expect(['forbidden', 'not_found', 'stale', 'internal', 'bad_request'].some((code) => isPassing(problem(code)))).toBe(
    false,
  )
})
