import type pg from 'pg'

/*
 * Row security makes planning dearer than running: every table of a query brings its policies, and theirs bring more.
 * A statement is therefore prepared once per connection, under a name, and run by it from then on. The tenant is no part
 * of a plan: the policies ask for the signed context each time the plan runs.
 */

const maxStatements = 300
/** Longer ones are lists of many rows, hardly the same twice. */
const maxLength = 4096

const statements = new WeakMap<object, Map<string, string>>()

/** The name that `sql` is prepared under on this connection; undefined where preparing is not worth its memory. */
export function statementName(client: pg.ClientBase, sql: string): string | undefined {
  if (sql.length > maxLength) return undefined
  const known = statements.get(client) ?? new Map<string, string>()
  statements.set(client, known)
  const name = known.get(sql) ?? `s${known.size}`
  known.set(sql, name)
  return name
}

/**
 * Whether the connection should be closed rather than given back: callers shape statements by their filters, and the
 * server keeps every one of them until the connection ends.
 */
export function holdsTooManyStatements(client: pg.ClientBase): boolean {
  return (statements.get(client)?.size ?? 0) > maxStatements
}
