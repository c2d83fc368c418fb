import { randomBytes } from 'node:crypto'
import { type ServiceRole, serviceRoles, withClient } from '@redoubt/server'
import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import type { ContextForgery } from '../databases.ts'
import { bodyOf } from '../http.ts'
import { bearer, newSecret } from '../organization.ts'
import { adminOf, type Inside, judged, rows, saidBy } from '../sql.ts'

/* The signed tenant context (TEN-2): the attacker inside B makes one for A. The control is the same context, rightly
 * made: then the very same statement reads A's rows. */

const actor = 'SQL as a service role'
const needs = ['database', 'people', 'keys'] as const
/** What each service may read; the services that read no tenant's rows have nothing here to steal. */
const tables: Readonly<Partial<Record<ServiceRole, string>>> = {
  redoubt_web: 'cases',
  redoubt_api: 'cases',
  redoubt_ingestion: 'sources',
  redoubt_worker: 'cases',
  redoubt_workflow: 'playbooks',
}

const forged = (id: string, role: ServiceRole, title: string, forgery: () => ContextForgery): AnyAttack => {
  const statement = ({ a }: Inside) => `select id from redoubt.${tables[role]} where organization_id = '${a.id}'`
  return attack({
    id: `sql.context-${id}`,
    actor,
    requirement: 'TEN-2',
    title: `${role}: ${title}`,
    needs,
    async control(t) {
      const outcome = await t.database.injected(role, adminOf(t.a), statement(t))
      const got = rows(outcome)
      if (got === null) throw new NotShown(`a good context for A reads nothing: ${saidBy(outcome)}`)
      return `${got} with a context that its own service made`
    },
    attack: async (t) => judged(await t.database.injected(role, adminOf(t.a), statement(t), forgery()), rows, t),
  })
}

export const sqlContextAttacks: readonly AnyAttack[] = [
  ...serviceRoles
    .filter((role) => tables[role] !== undefined)
    .map((role) =>
      forged(`forged-${role.replace('redoubt_', '')}`, role, 'make a context for A with a key of one’s own', () => ({
        key: randomBytes(32),
      })),
    ),
  forged('other-role', 'redoubt_web', 'use a context that ingestion’s key made', () => ({
    keyOf: 'redoubt_ingestion',
  })),
  forged('replayed', 'redoubt_api', 'replay a context of A from another connection', () => ({ backendPid: 1 })),
  forged('expired', 'redoubt_api', 'use a context of A that expired a minute ago', () => ({
    expiresAt: new Date(Date.now() - 60_000),
  })),
  attack({
    id: 'sql.context-altered',
    actor,
    requirement: 'TEN-2',
    title: 'redoubt_api: put A’s id into the good context of B',
    needs,
    async control(t) {
      const outcome = await t.database.injected(
        'redoubt_api',
        adminOf(t.a),
        `select id from redoubt.cases where organization_id = '${t.a.id}'`,
      )
      if (rows(outcome) === null) throw new NotShown(saidBy(outcome))
      return `${rows(outcome)} with a good context for A`
    },
    async attack(t) {
      const statements = `select set_config('app.context', replace(current_setting('app.context'), '${t.b.id}', '${t.a.id}'), true);
        select id from redoubt.cases where organization_id = '${t.a.id}'`
      return judged(await t.database.injected('redoubt_api', adminOf(t.b), statements), rows, t)
    },
  }),
  attack({
    id: 'sql.context-raised',
    actor,
    requirement: 'ZT-2',
    title: 'redoubt_api: write a higher role into one’s own context',
    needs,
    async control(t) {
      const outcome = await t.database.injected('redoubt_api', adminOf(t.a), 'select redoubt.role() as role')
      if (outcome.rows[0]?.['role'] !== 'admin') throw new NotShown(saidBy(outcome))
      return 'a good context of an admin says admin'
    },
    async attack(t) {
      const viewer = {
        kind: 'user' as const,
        organizationId: t.a.id,
        userId: t.people.viewer.userId,
        role: 'viewer' as const,
      }
      const statements = `select set_config('app.context', replace(current_setting('app.context'), 'viewer', 'admin'), true); select redoubt.role() as role`
      return judged(await t.database.injected('redoubt_api', viewer, statements), rows, t)
    },
  }),
  attack({
    id: 'sql.listen',
    actor,
    requirement: 'TEN-1',
    title: 'redoubt_ingestion: overhear other tenants’ titles in live notices',
    needs,
    async control(t) {
      const secret = newSecret('notice')
      const heard = await overheard(t, secret, async () => {
        await t.database.superuser((client) =>
          client.query(`select pg_notify('redoubt_live', $1)`, [JSON.stringify({ title: secret })]),
        )
      })
      if (!heard.told) throw new NotShown('a notice with a title in it was not heard')
      return 'a notice with a title in it would be heard'
    },
    async attack(t) {
      const secret = newSecret('notice')
      const heard = await overheard(t, secret, async () => {
        bodyOf(await t.api.post('/api/v1/cases', { title: secret, severity: 'low' }, bearer(t.a.admin)))
      })
      if (heard.told) return 'the title was in the notice'
      if (heard.notices === 0) throw new Error('no notice arrived')
      throw new Stopped(`${heard.notices} notices, of organization and topic alone`)
    },
  }),
  attack({
    id: 'sql.activity',
    actor,
    requirement: 'TEN-1',
    title: 'redoubt_api: read other tenants’ words in pg_stat_activity',
    needs,
    async control(t) {
      const secret = newSecret('query')
      return withClient(t.database.loginOf('redoubt_api'), async (other) => {
        await other.query(`select '${secret}'`)
        if (!(await seenInActivity(t, secret))) throw new NotShown('text inside a statement is not seen there either')
        return 'text inside another session’s statement is seen there'
      })
    },
    async attack(t) {
      const secret = newSecret('query')
      await t.api.get(`/api/v1/cases?search=${secret}`, bearer(t.a.admin))
      await t.api.post('/api/v1/cases', { title: secret, severity: 'low' }, bearer(t.a.admin))
      if (await seenInActivity(t, secret)) return 'A’s words are in the statement of a session'
      throw new Stopped('A’s words travel as parameters and are in no statement')
    },
  }),
]

async function seenInActivity(t: Inside, secret: string): Promise<boolean> {
  // Put together in the query, or it would find itself.
  const half = secret.slice(6)
  const outcome = await t.database.injected(
    'redoubt_api',
    adminOf(t.b),
    `select 1 from pg_stat_activity where query like '%' || 'drill-' || '${half}' || '%' and pid <> pg_backend_pid()`,
  )
  if (outcome.error) throw new Error(saidBy(outcome))
  return outcome.rows.length > 0
}

async function overheard(
  t: Inside,
  secret: string,
  act: () => Promise<void>,
): Promise<{ told: boolean; notices: number }> {
  return withClient(t.database.loginOf('redoubt_ingestion'), async (client) => {
    const payloads: string[] = []
    client.on('notification', ({ payload }) => payloads.push(payload ?? ''))
    await client.query('listen redoubt_live')
    await act()
    // Notices arrive with the answer to the next statement at the latest.
    await client.query('select 1')
    await new Promise((next) => setTimeout(next, 50))
    return { told: payloads.some((payload) => payload.includes(secret)), notices: payloads.length }
  })
}
