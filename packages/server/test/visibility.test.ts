import { randomUUIDv7 } from 'node:crypto'
import { type Role, roles, type UserId } from '@redoubt/contract'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inTenant } from '../src/platform/tenant-tx.ts'
import { startTestPlatform, type TestOrganization, type TestPerson, type TestPlatform } from './harness.ts'

let t: TestPlatform
let organization: TestOrganization
const people: TestPerson[] = []
beforeAll(async () => {
  t = await startTestPlatform()
  organization = await t.organization()
  for (const role of roles) people.push(await t.member(organization, role), await t.member(organization, role))
})
afterAll(() => t.stop())

const someone = fc.integer({ min: 0, max: 7 })
const anyCase = fc.record({
  tlp: fc.constantFrom('CLEAR', 'GREEN', 'AMBER', 'AMBER+STRICT', 'RED'),
  audience: fc.constantFrom('organization', 'named'),
  owner: fc.option(someone, { nil: null }),
  recipients: fc.uniqueArray(someone, { maxLength: 4 }),
})

test('what SQL shows equals what Cedar allows, for random cases and every role', async () => {
  let compared = 0
  await fc.assert(
    fc.asyncProperty(fc.array(anyCase, { minLength: 1, maxLength: 12 }), async (cases) => {
      await t.admin.query('truncate case_recipients, cases cascade')
      const made = cases.map((each, index) => ({
        id: randomUUIDv7(),
        number: index + 1,
        tlp: each.tlp,
        // The database refuses RED for everybody.
        audience: each.tlp === 'RED' ? 'named' : each.audience,
        ownerId: each.owner === null ? null : ((people[each.owner] as TestPerson).userId as string),
        recipientIds: each.recipients.map((index) => (people[index] as TestPerson).userId as string),
      }))
      for (const row of made) {
        await t.admin.query(
          `insert into cases (organization_id, id, number, title, severity, tlp, audience, owner_id, opened_at, opened_by, updated_at)
           values ($1, $2, $3, 'x', 1, $4, $5, $6, now(), 'x', now())`,
          [organization.id, row.id, row.number, row.tlp, row.audience, row.ownerId],
        )
        for (const userId of row.recipientIds)
          await t.admin.query('insert into case_recipients values ($1, $2, $3)', [organization.id, row.id, userId])
      }
      for (const person of people) {
        const rows = await inTenant(t.databases.redoubt_web, organization.id, person, ({ db }) =>
          db.selectFrom('cases').select('id').execute(),
        )
        const inSql = new Set(rows.map((row) => row.id))
        for (const row of made) {
          const inCedar = t.access.decide(
            {
              userId: person.userId as UserId,
              role: person.role as Role,
              organizationId: organization.id,
              isOperator: false,
            },
            'case:read',
            { kind: 'Case', ...row },
          ).allowed
          expect({ ...row, role: person.role, seen: inSql.has(row.id) }).toEqual({
            ...row,
            role: person.role,
            seen: inCedar,
          })
          compared++
        }
      }
    }),
    { numRuns: 25 },
  )
  expect(compared).toBeGreaterThan(500)
})
