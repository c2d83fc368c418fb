import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AnyAttack, actors, attack, NotShown, Stopped } from '../src/drill/attack.ts'
import { catalogue } from '../src/drill/catalogue.ts'
import { judge, runDrill } from '../src/drill/engine.ts'
import { type OwnInstallation, startOwnInstallation } from '../src/drill/own-installation.ts'
import { closingLines, exitCodeOf, jsonOf } from '../src/drill/report.ts'
import type { Terrain } from '../src/drill/terrain.ts'

const terrain = {} as Terrain
const shown = async () => 'it works without the defence'
const made = (parts: Pick<AnyAttack, 'control' | 'attack'>): AnyAttack =>
  attack({ id: 'a', actor: 'outsider', requirement: 'ZT-1', title: 'an attack', ...parts })
const stopped = async () => {
  throw new Stopped('403 forbidden')
}

describe('the engine', () => {
  test('counts an attack as stopped only with a control that showed it and a defence that answered', async () => {
    const result = await judge(made({ control: shown, attack: stopped }), terrain)
    expect(result).toMatchObject({ stopped: true, outcome: 'stopped', stoppedBy: '403 forbidden', evidence: null })
  })

  test('counts an attack that returns as worked, and keeps what it got', async () => {
    const result = await judge(made({ control: shown, attack: async () => '7 rows' }), terrain)
    expect(result).toMatchObject({ stopped: false, outcome: 'worked', stoppedBy: null, evidence: '7 rows' })
  })

  test('counts a refusal behind a failed control as not shown', async () => {
    const control = async () => {
      throw new NotShown('refused to an admin as well')
    }
    const result = await judge(made({ control, attack: stopped }), terrain)
    expect(result).toMatchObject({ stopped: false, outcome: 'not shown', control: 'refused to an admin as well' })
  })

  test('counts a worked attack as worked also behind a failed control', async () => {
    const control = async () => {
      throw new Error('broken')
    }
    expect(await judge(made({ control, attack: async () => 'in' }), terrain)).toMatchObject({ outcome: 'worked' })
  })

  test('takes an error for no verdict, not for a defence', async () => {
    const broken = async () => {
      throw new TypeError('fetch failed')
    }
    const result = await judge(made({ control: shown, attack: broken }), terrain)
    expect(result).toMatchObject({ stopped: false, outcome: 'unclear', evidence: 'fetch failed' })
  })

  test('says so where there can be no control', async () => {
    const result = await judge(made({ control: { impossible: 'it happens once' }, attack: stopped }), terrain)
    expect(result).toMatchObject({ stopped: true, control: 'none: it happens once' })
  })

  test('leaves out, and lists, what the installation does not offer', async () => {
    const needy = { ...made({ control: shown, attack: stopped }), needs: ['database' as const] }
    const drill = await runDrill([needy], terrain)
    expect(drill.results).toEqual([])
    expect(closingLines(drill).join('\n')).toContain('1 for want of its database')
  })

  test('ends with 1 when one attack of many worked, and when there was none at all', async () => {
    const good = made({ control: shown, attack: stopped })
    const bad = made({ control: shown, attack: async () => 'in' })
    expect(exitCodeOf(await runDrill([good, good], terrain))).toBe(0)
    expect(exitCodeOf(await runDrill([good, bad, good], terrain))).toBe(1)
    expect(exitCodeOf(await runDrill([], terrain))).toBe(1)
  })
})

describe('the catalogue', () => {
  test('has at least 400 attacks by every attacker, each with an id of its own and a requirement', () => {
    expect(catalogue.length).toBeGreaterThanOrEqual(400)
    const byActor = Map.groupBy(catalogue, ({ actor }) => actor)
    for (const actor of actors) expect(byActor.get(actor)?.length ?? 0, actor).toBeGreaterThanOrEqual(5)
    expect(new Set(catalogue.map(({ id }) => id)).size).toBe(catalogue.length)
    expect(new Set(catalogue.map(({ title }) => title)).size).toBe(catalogue.length)
    for (const { requirement } of catalogue) expect(requirement).toMatch(/^[A-Z]{2,5}-\d+$/)
  })

  test('says why wherever an attack has no control', () => {
    for (const { control } of catalogue)
      if (typeof control !== 'function') expect(control.impossible.length).toBeGreaterThan(20)
  })
})

describe('an installation with a defence switched off', () => {
  let own: OwnInstallation
  beforeAll(async () => {
    own = await startOwnInstallation(() => undefined)
  })
  afterAll(() => own.stop())

  const named = (...ids: string[]) => {
    const found = catalogue.filter(({ id }) => ids.includes(id))
    expect(found.map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
    return found
  }
  /** Runs the attacks before and after the superuser weakened the live database, and puts the defence back. */
  async function weakened(attacks: readonly AnyAttack[], weaken: string, mend: string) {
    const superuser = (statement: string) => own.terrain.database.superuser((client) => client.query(statement))
    const before = await runDrill(attacks, own.terrain)
    await superuser(weaken)
    try {
      return { before, after: await runDrill(attacks, own.terrain) }
    } finally {
      await superuser(mend)
    }
  }

  test('row security off on one table: SQL reads the other tenant, the drill says so and ends with 1', async () => {
    const { before, after } = await weakened(
      named('sql.web.other-tenant', 'sql.web.no-context'),
      'alter table redoubt.cases disable row level security',
      'alter table redoubt.cases enable row level security',
    )
    expect(exitCodeOf(before)).toBe(0)
    expect(after.results.map(({ outcome }) => outcome)).toEqual(['worked', 'worked'])
    expect(after.results[0]?.evidence).toMatch(/^\d+ rows?$/)
    expect(exitCodeOf(after)).toBe(1)
    expect(JSON.parse(jsonOf(after))).toMatchObject({ attacks: 2, stopped: 0 })
  })

  test('the RED policy dropped: SQL of an uninvited member reads the case', async () => {
    const { before, after } = await weakened(
      named('sql.api.red'),
      'alter policy audience on redoubt.cases using (true)',
      `alter policy audience on redoubt.cases using (
         case when (select redoubt.role()) = 'service' then true
              when tlp <> 'RED' and (audience = 'organization' or (select redoubt.role()) in ('admin', 'moderator')
                                     or owner_id = (select redoubt.person())) then true
              else exists (select 1 from redoubt.case_recipients r where r.organization_id = cases.organization_id
                           and r.case_id = cases.id and r.user_id = (select redoubt.person())) end)`,
    )
    expect([before, after].map(({ results }) => results[0]?.outcome)).toEqual(['stopped', 'worked'])
  })

  test('the check of the signed context left out: a forged one opens another tenant', async () => {
    const check = await own.terrain.database.superuser(async (client) => {
      const { rows } = await client.query<{ text: string }>(
        `select pg_get_functiondef('redoubt.context_part(int)'::regprocedure) as text`,
      )
      return rows[0]?.text ?? ''
    })
    const credulous = check.replace(/if sha256\([\s\S]*?end if;/, '')
    expect(credulous).not.toBe(check)
    const { before, after } = await weakened(named('sql.context-forged-api', 'sql.context-altered'), credulous, check)
    expect(before.results.map(({ outcome }) => outcome)).toEqual(['stopped', 'stopped'])
    expect(after.results.map(({ outcome }) => outcome)).toEqual(['worked', 'worked'])
  })

  test('a right too many: a service reads the keys that seal contexts', async () => {
    const { before, after } = await weakened(
      named('sql.api.context-keys'),
      'grant select on redoubt.context_keys to redoubt_api',
      'revoke select on redoubt.context_keys from redoubt_api',
    )
    expect([before, after].map(({ results }) => results[0]?.outcome)).toEqual(['stopped', 'worked'])
  })

  test('nonces that are not kept: a caught request passes again, on the keeper and on its replica', async () => {
    const { before, after } = await weakened(
      named('network.replay', 'network.replay-replica'),
      'alter table redoubt.service_nonces drop constraint service_nonces_pkey',
      'truncate redoubt.service_nonces; alter table redoubt.service_nonces add primary key (key_id, nonce)',
    )
    expect(before.results.map(({ outcome }) => outcome)).toEqual(['stopped', 'stopped'])
    expect(after.results.map(({ outcome }) => outcome)).toEqual(['worked', 'worked'])
  })

  test('a right too many for the role of backups: it writes, and the drill says so', async () => {
    const { before, after } = await weakened(
      named('sql.backup.temporary'),
      'grant temporary on database redoubt to redoubt_backup',
      'revoke temporary on database redoubt from redoubt_backup',
    )
    expect([before, after].map(({ results }) => results[0]?.outcome)).toEqual(['stopped', 'worked'])
  })

  test('an attack whose control cannot succeed any more is not counted as stopped', async () => {
    const [shown] = named('tenant.case')
    const elsewhere = { ...own.terrain, a: { ...own.terrain.a, caseId: '00000000-0000-4000-8000-000000000000' } }
    expect(await judge(shown as AnyAttack, elsewhere)).toMatchObject({ stopped: false, outcome: 'not shown' })
  })
})
