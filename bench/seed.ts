import type pg from 'pg'

export const seededAlerts = 1_000_000
export const seededCases = 100_000
const organizations = 10
const membersEach = 20
const alertsAtOnce = 125_000

// Nobody opens the members' addresses here: what lies in their place is as long as a sealed one, and as unlike the others.
// Ids and values come of the row's number alone, so every run has the same data.
const idOf = (kind: string, number: string, at: string) =>
  `(lpad(to_hex((extract(epoch from ${at}) * 1000)::bigint), 12, '0') || '7' || substr(md5('${kind}' || ${number}), 1, 3)
    || '8' || substr(md5('${kind}' || ${number}), 4, 15))::uuid`
const caseAt = (number: string) => `timestamptz '2026-01-01' + ${number} * interval '60 seconds'`
const alertAt = (number: string) => `timestamptz '2026-01-01' + ${number} * interval '6 seconds'`
/** Two cases in a hundred are for named people, and half of those are RED. */
const isNamed = (number: string) => `${number} / 10 % 50 = 7`
const isRed = (number: string) => `${number} / 10 % 100 = 7`

/**
 * Fills the database: alerts and cases spread evenly over ten organizations with their members, of which the given one is
 * the first. Written by the superuser without triggers; what triggers would have set is written too.
 */
export async function seed(admin: pg.Pool, first: string, progress: (line: string) => void): Promise<void> {
  await run(
    admin,
    `
    create table bench.organization as
      select 0 as number, '${first}'::uuid as id
      union all
      select number, ${idOf('organization', 'number', "timestamptz '2026-01-01'")} from generate_series(1, ${organizations - 1}) number;
    insert into organizations (id, name, slug, created_at)
      select id, 'Organization ' || number, 'organization-' || number, timestamptz '2026-01-01' from bench.organization where number > 0;
    create table bench.member as
      select o.id as organization_id, o.number as organization, member,
             ${idOf('member', 'o.number * 1000 + member', "timestamptz '2026-01-01'")} as id
      from bench.organization o, generate_series(0, ${membersEach - 1}) member;
    insert into users (id, email_sealed, email_index, name, created_at)
      select id, sha512(id::text::bytea), substr(sha256(id::text::bytea), 1, 20), 'Member ' || member, timestamptz '2026-01-01' from bench.member;
    insert into memberships (organization_id, user_id, role, created_at)
      select organization_id, id, 'user', timestamptz '2026-01-01' from bench.member;
    insert into sources (organization_id, name, slug, type, tlp, token_hash, webhook_secret, created_at)
      select id, 'Sensors', 'sensors', 'suricata', 'AMBER', 'seeded-' || number, '', timestamptz '2026-01-01' from bench.organization`,
  )
  await run(
    admin,
    `
    insert into cases (organization_id, id, number, title, description, severity, tlp, audience, phase, owner_id, opened_at, opened_by,
                       updated_at, due_at, responded_at, closed_at, alert_count)
    select o.id, ${idOf('case', 'n', caseAt('n'))}, n / 10 + 1, 'Beacon from workstation ' || n || ' to an unknown host',
           repeat('What was seen, when, and by which sensor. ', 8), n / 10 % 5,
           case when ${isRed('n')} then 'RED' else 'AMBER' end,
           case when ${isNamed('n')} then 'named' else 'organization' end,
           (array['detection', 'triage', 'containment', 'eradication', 'recovery', 'closed'])[n / 10 % 6 + 1],
           m.id, ${caseAt('n')}, 'correlation', ${caseAt('n')}, ${caseAt('n')} + interval '4 hours',
           case when n / 10 % 6 > 0 then ${caseAt('n')} + interval '1 hour' end,
           case when n / 10 % 6 = 5 then ${caseAt('n')} + interval '2 days' end, case when ${isRed('n')} then 0 else 3 end
    from generate_series(0, ${seededCases - 1}) n
    join bench.organization o on o.number = n % 10
    left join bench.member m on m.organization = o.number and m.member = n / 10 % ${membersEach + 10};
    insert into case_recipients (organization_id, case_id, user_id)
      select c.organization_id, c.id, m.id from cases c join bench.member m using (organization_id)
      where c.audience = 'named' and m.member in (3, 4);
    insert into counters (organization_id, name, value) select id, 'case', ${seededCases / organizations} from bench.organization`,
  )
  progress(`${seededCases.toLocaleString('en-GB')} cases in ${organizations} organizations`)
  const parts = Array.from({ length: seededAlerts / alertsAtOnce }, (_, at) => at * alertsAtOnce)
  let done = 0
  const fill = async () => {
    for (let from = parts.shift(); from !== undefined; from = parts.shift()) {
      await insertAlerts(admin, from)
      done += alertsAtOnce
      progress(`${done.toLocaleString('en-GB')} of ${seededAlerts.toLocaleString('en-GB')} alerts`)
    }
  }
  await Promise.all([fill(), fill()])
  await admin.query('vacuum (analyze) redoubt.alerts')
  await admin.query('vacuum (analyze) redoubt.cases')
  await admin.query('analyze')
  await admin.query('checkpoint')
}

function insertAlerts(admin: pg.Pool, from: number): Promise<void> {
  const ofCase = '(n % 100000)'
  const inCase = `n < 300000 and not (${isRed(ofCase)})`
  return run(
    admin,
    `
    insert into alerts (organization_id, id, source_id, dedup_key, title, description, severity, state, tlp, first_seen_at, last_seen_at,
                        occurred_at, due_at, case_id, source_ref, finding, raw)
    select o.id, ${idOf('alert', 'n', alertAt('n'))}, s.id, sha256(int8send(n)), 'ET MALWARE Example Stealer CnC Checkin ' || n,
           'A Network Trojan was detected', n / 10 % 5,
           case when ${inCase} then 'in-case' when n % 3 = 0 then 'dismissed' when n % 3 = 1 then 'acknowledged' else 'new' end,
           'AMBER', ${alertAt('n')}, ${alertAt('n')}, ${alertAt('n')}, ${alertAt('n')} + interval '1 hour',
           case when ${inCase} then ${idOf('case', ofCase, caseAt(ofCase))} end, n || ':1:2049871',
           jsonb_build_object('is_alert', true, 'rule', n % 40, 'src', '10.20.30.' || n % 250),
           '{"event_type":"alert","flow_id":' || n || ',"src_ip":"10.20.30.' || n % 250 || '","alert":{"signature_id":2049871}}'
    from generate_series(${from}, ${from + alertsAtOnce - 1}) n
    join bench.organization o on o.number = n % 10
    join sources s on s.organization_id = o.id and s.slug = 'sensors'`,
  )
}

/** The planner and the checks of a bulk load are not what is measured: no triggers, no wait for the disk. */
async function run(admin: pg.Pool, sql: string): Promise<void> {
  await admin.query(
    `begin; set local session_replication_role = replica; set local synchronous_commit = off; ${sql}; commit`,
  )
}
