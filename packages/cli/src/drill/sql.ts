import type { ContextPrincipal } from '@redoubt/trust'
import { type AnyAttack, attack, NotShown, Stopped } from './attack.ts'
import type { DatabaseRole, SqlOutcome } from './databases.ts'
import type { Parts, Terrain } from './terrain.ts'

/** An installation whose database, keys and people are within reach. */
export type Inside = Terrain & Pick<Parts, 'database' | 'people' | 'keys'>

/** SQL injected into a service. The control runs the same statements where `lift` has switched the defence off. */
export type SqlAttack = {
  readonly id: string
  readonly role: DatabaseRole
  readonly requirement: string
  readonly title: string
  /** Whose context the injected SQL finds itself in; null for none. Unless told, that of B's admin. */
  readonly as?: ((terrain: Inside) => ContextPrincipal) | null
  readonly statements: (terrain: Inside) => string
  /** Run by the superuser on the scratch copy: the defences that stand in the way. */
  readonly lift: readonly string[]
  /** What the attacker has of it; null when nothing. Unless told: rows. */
  readonly gain?: (outcome: SqlOutcome, terrain: Inside) => string | null
  /** The SQLSTATEs that the defence answers with, where it does not answer with nothing. */
  readonly sqlstates?: readonly string[]
}

export const adminOf = ({ id, admin }: Terrain['a']): ContextPrincipal => ({
  kind: 'user',
  organizationId: id,
  userId: admin.userId,
  role: 'admin',
})

/** Rows that came back. */
export const rows = ({ rows }: SqlOutcome): string | null =>
  rows.length > 0 ? `${rows.length} row${rows.length === 1 ? '' : 's'}` : null
/** Rows that were changed. */
export const changed = ({ count }: SqlOutcome): string | null =>
  count > 0 ? `${count} row${count === 1 ? '' : 's'} changed` : null
/** It was carried out at all. */
export const done = ({ error }: SqlOutcome): string | null => (error === null ? 'carried out' : null)

/** 42501 insufficient_privilege: also what row security and the context functions answer with. */
const insufficientPrivilege = '42501'

export function sqlAttack(written: SqlAttack): AnyAttack {
  const {
    id,
    role,
    requirement,
    title,
    as,
    statements,
    lift,
    gain = rows,
    sqlstates = [insufficientPrivilege],
  } = written
  const principal = (t: Inside) => (as === null ? null : (as ?? (({ b }: Inside) => adminOf(b)))(t))
  return attack({
    id: `sql.${id}`,
    actor: 'SQL as a service role',
    requirement,
    title: `${role}: ${title}`,
    needs: ['database', 'people', 'keys'],
    async control(t) {
      const outcome = await t.database.undefended(role, principal(t), lift, statements(t))
      const got = gain(outcome, t)
      if (got === null) throw new NotShown(`without the defence: ${saidBy(outcome)}`)
      return `${got} after: ${lift.join('; ')}`
    },
    async attack(t) {
      return judged(await t.database.injected(role, principal(t), statements(t)), gain, t, sqlstates)
    },
  })
}

/** The attacker's gain, or what stopped the statement. @throws Stopped, or Error for a failure that is no defence */
export function judged(
  outcome: SqlOutcome,
  gain: NonNullable<SqlAttack['gain']>,
  terrain: Inside,
  sqlstates: readonly string[] = [insufficientPrivilege],
): string {
  const got = gain(outcome, terrain)
  if (got !== null) return got
  if (outcome.error !== null && !sqlstates.includes(outcome.error.sqlstate)) {
    throw new Error(`the statement failed for another reason: ${saidBy(outcome)}`)
  }
  throw new Stopped(saidBy(outcome))
}

export const saidBy = ({ error, count, rows }: SqlOutcome): string => {
  if (error !== null) return `${error.sqlstate} ${error.message}`
  const number = Math.max(count, rows.length)
  return number === 0 ? 'no rows' : `${number} row${number === 1 ? '' : 's'}, nothing beyond what it may`
}
