import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestPlatform, type TestPlatform } from './harness.ts'

let t: TestPlatform
beforeAll(async () => {
  t = await startTestPlatform()
})
afterAll(() => t.stop())

test('of two invitations to one new address that are accepted at once one makes the account, and the other says how to go on', async () => {
  const nobody = { kind: 'none' } as const
  const email = 'new@example.org'
  const password = 'three unrelated words'
  const invitations = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const admin = await t.member(await t.organization())
      const { link } = await t.call(admin, 'members.invite', { email, role: 'user' })
      return new URL(link).searchParams.get('token') as string
    }),
  )
  const accept = (token: string) => t.call(nobody, 'auth.acceptInvitation', { token, name: 'New', password })
  const results = await Promise.allSettled(invitations.map(accept))
  const refused = results.filter((result) => result.status === 'rejected')
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  for (const { reason } of refused) {
    expect(reason).toMatchObject({ code: 'conflict' })
    expect(reason.detail).toContain('open the link again')
  }

  // Nothing was used up: with the account that there is now, the others join too.
  for (const [at, token] of invitations.entries()) if (results[at]?.status === 'rejected') await accept(token)
  const { rows } = await t.admin.query<{ people: number; memberships: number }>(
    `select count(distinct user_id) as people, count(*) as memberships from memberships where role = 'user'`,
  )
  expect(rows).toEqual([{ people: 1, memberships: invitations.length }])
})
