import { expect, test } from 'vitest'
import { ByteBudget, Gate } from './gate.ts'

const settle = () => new Promise((next) => setImmediate(next))

test('no more than the bound work at once, the bound may wait, the next is told when to come back', async () => {
  const gate = new Gate({ atOnce: 2, mayWait: 3 })
  let working = 0
  let most = 0
  const finish: Array<() => void> = []
  const one = () =>
    gate.run(async () => {
      most = Math.max(most, ++working)
      await new Promise<void>((done) => finish.push(done))
      working -= 1
    })
  const all = [one(), one(), one(), one(), one()]
  await expect(one()).rejects.toMatchObject({ code: 'unavailable', retryAfter: 1 })
  for (let done = 0; done < 5; done += 1) {
    await settle()
    finish.shift()?.()
  }
  await Promise.all(all)
  expect(most).toBe(2)
})

test('a batch that fails gives its place back', async () => {
  const gate = new Gate({ atOnce: 1, mayWait: 0 })
  await expect(gate.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
  await expect(gate.run(async () => 'in')).resolves.toBe('in')
})

test('bodies together never hold more than the budget', () => {
  const budget = new ByteBudget(10)
  budget.take(6)
  expect(() => budget.take(5)).toThrow(/unavailable/)
  budget.give(6)
  budget.take(10)
})
