import type pg from 'pg'
import { BackupError } from './backup-error.ts'

/*
 * What a backup holds of the database: every table of the platform and of its job queue, found in PostgreSQL's catalogue so
 * that a new table cannot be forgotten. Left out is what each start makes anew: the list of migrations, which the manifest
 * carries, and the keys of the tenant contexts, which come out of the secret store.
 */

const LEFT_OUT = ['redoubt.migrations', 'redoubt.context_keys', 'graphile_worker.migrations']
const schemas = `('redoubt', 'graphile_worker')`

export type Table = {
  readonly oid: number
  /** `schema.table`, each part quoted where SQL needs it. */
  readonly name: string
  /** Quoted as the name; generated ones are left out, since they follow from the others. */
  readonly columns: readonly string[]
}
export type Sequence = { readonly name: string; readonly value: string; readonly called: boolean }

/** Every table to back up, each after those its rows refer to. @throws BackupError `incomplete` for a circle of references */
export async function readTables(client: pg.ClientBase): Promise<readonly Table[]> {
  const { rows } = await client.query<{ oid: number; name: string; columns: string[]; refers: number[] }>(
    `select c.oid::int8 as oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name,
       array(select quote_ident(a.attname) from pg_attribute a
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum) as columns,
       array(select distinct k.confrelid::int8 from pg_constraint k
             where k.conrelid = c.oid and k.contype = 'f' and k.confrelid <> c.oid) as refers
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ${schemas} and c.relkind in ('r', 'p') and not (n.nspname || '.' || c.relname = any ($1))
     order by n.nspname desc, c.relname`,
    [LEFT_OUT],
  )
  const placed: typeof rows = []
  for (let waiting = rows; waiting.length > 0; ) {
    const ready = waiting.filter((table) =>
      table.refers.every((oid) => placed.some((each) => Number(each.oid) === Number(oid))),
    )
    if (ready.length === 0) {
      throw new BackupError(
        'incomplete',
        `The tables ${waiting.map(({ name }) => name).join(', ')} refer to each other in a circle, so there is no order to restore them in.`,
      )
    }
    placed.push(...ready)
    waiting = waiting.filter((table) => !ready.includes(table))
  }
  return placed.map(({ oid, name, columns }) => ({ oid: Number(oid), name, columns }))
}

/** Where each sequence stands. Sequences are no part of a snapshot: read after it began, they cover all of its rows. */
export async function readSequences(client: pg.ClientBase): Promise<readonly Sequence[]> {
  const { rows: names } = await client.query<{ name: string }>(
    `select quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ${schemas} and c.relkind = 'S' order by 1`,
  )
  const sequences: Sequence[] = []
  for (const { name } of names) {
    const { rows } = await client.query<{ value: string; called: boolean }>(
      `select last_value::text as value, is_called as called from ${name}`,
    )
    const [at] = rows
    if (at !== undefined) sequences.push({ name, ...at })
  }
  return sequences
}

/**
 * Refuses to dump as a role that some policy would keep rows from: what is missing would only be noticed by who restores.
 * @throws BackupError `incomplete`
 */
export async function requireEveryRow(client: pg.ClientBase, tables: readonly Table[]): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c
     where c.oid = any ($1::int8[]) and not (has_table_privilege(c.oid, 'select') and (not c.relrowsecurity or (
       exists (select from pg_policy p where p.polrelid = c.oid and p.polpermissive and p.polcmd in ('r', '*')
               and pg_get_expr(p.polqual, p.polrelid) = 'true'
               and exists (select from unnest(p.polroles) r where r = 0 or pg_has_role(r, 'usage')))
       and not exists (select from pg_policy p where p.polrelid = c.oid and not p.polpermissive and p.polcmd in ('r', '*')
               and exists (select from unnest(p.polroles) r where r = 0 or pg_has_role(r, 'usage'))))))
     order by 1`,
    [tables.map(({ oid }) => oid)],
  )
  if (rows.length > 0) {
    throw new BackupError(
      'incomplete',
      `The backup's role does not see every row of ${rows.map(({ name }) => name).join(', ')}: start the platform once, which mends its grants.`,
    )
  }
}

/** Everything that guards the rows, as one text: row security, policies, triggers, constraints, owners. */
export async function readGuards(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<{ guards: string }>(
    `select jsonb_agg(jsonb_build_object('table', c.oid::regclass, 'owner', c.relowner, 'on', c.relrowsecurity, 'forced', c.relforcerowsecurity,
       'policies', (select jsonb_agg(to_jsonb(p) order by p.oid) from pg_policy p where p.polrelid = c.oid),
       'triggers', (select jsonb_agg(jsonb_build_array(t.tgname, t.tgenabled) order by t.oid) from pg_trigger t where t.tgrelid = c.oid),
       'constraints', (select jsonb_agg(jsonb_build_array(k.conname, k.convalidated) order by k.oid) from pg_constraint k where k.conrelid = c.oid)
       ) order by c.oid)::text as guards
     from pg_class c where c.relnamespace in ('redoubt'::regnamespace, 'graphile_worker'::regnamespace) and c.relkind in ('r', 'p')`,
  )
  return rows[0]?.guards ?? ''
}
