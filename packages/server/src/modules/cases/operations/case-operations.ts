import type { contract } from '@redoubt/contract'
import { AppError } from '../../../platform/app-error.ts'
import type { Handlers, TenantCtx } from '../../../platform/operation.ts'
import { severityOf, severityRank } from '../../../platform/severity.ts'
import { responseDueAt } from '../../alerts/index.ts'
import { openCase, scheduleResponseCheck } from '../alerts-in-case.ts'
import { caseToChange, caseToRead, refused, requireSeeing } from '../reach.ts'
import { type Audience, counted, refusalOfAudience, settled } from '../rules/audience.ts'
import { idOfCursor, pageOf } from '../rules/cursor.ts'
import { refusals } from '../rules/phases.ts'
import { dueAfterChange, respondedAt } from '../rules/response-clock.ts'
import { type CaseChange, type CaseDetail, listCases, updateCase } from '../store/cases.ts'
import { addRecipients, membersAmong, removeRecipients } from '../store/people.ts'
import { trace } from '../trace.ts'
import { audienceOf, caseOf, phaseFactsOf, summaryOf } from '../view.ts'

type CaseItself = Pick<Handlers<typeof contract.cases>, 'list' | 'get' | 'open' | 'update' | 'changePhase' | 'share'>

/** The case itself: reading, opening, editing, its phases and its audience. */
export const caseItself: CaseItself = {
  async list(ctx, { cursor, limit, severity, ...filter }) {
    const rows = await listCases(
      ctx.tx,
      { ...filter, severity: severity?.map(severityRank) },
      idOfCursor(cursor),
      limit + 1,
    )
    const { items, next } = pageOf(rows, limit)
    return { items: items.map(summaryOf), next }
  },

  async get(ctx, { id }) {
    return caseOf(await caseToRead(ctx, id))
  },

  async open(ctx, { title, description, severity, tlp }) {
    const red = tlp === 'RED'
    const { id } = await openCase(ctx, {
      title,
      description,
      severity: severityRank(severity),
      tlp: red ? 'AMBER+STRICT' : tlp,
      text: 'opened the case',
    })
    // Nobody else can name the first recipient of a RED case, and without an owner a `user` could never share it.
    if (red) {
      const opened = await caseToRead(ctx, id)
      const me = ctx.person.userId
      await restrict(ctx, opened, { tlp, audience: 'named', ownerId: me, recipientIds: [me] })
    }
    return caseOf(await caseToRead(ctx, id))
  },

  async update(ctx, { id, version, ...wanted }) {
    const found = await caseToChange(ctx, id, 'case:edit', version)
    const { change, facts, words } = await editOf(ctx, found, wanted)
    if (words.length === 0) {
      ctx.record({ action: 'case.edited', target: { kind: 'case', id }, facts: { changed: [] } })
      return caseOf(found)
    }
    await updateCase(ctx.tx, found, change, ctx.now)
    if (change.due_at !== undefined) await scheduleResponseCheck(ctx, id, change.due_at)
    await trace(
      ctx,
      id,
      { kind: 'edited', text: words.join(', '), facts },
      { action: 'case.edited', facts: { changed: Object.keys(facts), ...idsAndWords(facts) } },
    )
    return caseOf(await caseToRead(ctx, id))
  },

  async changePhase(ctx, { id, version, to }) {
    const found = await caseToChange(ctx, id, 'case:edit', version)
    const missing = refusals(phaseFactsOf(found), to)
    if (missing.length > 0) {
      throw new AppError('conflict', missing.join(' '), { fields: missing.map((message) => ({ path: 'to', message })) })
    }
    await updateCase(
      ctx.tx,
      found,
      {
        phase: to,
        closed_at: to === 'closed' ? ctx.now : null,
        responded_at: respondedAt(found, { phase: to, ownerId: found.owner?.id ?? null }, ctx.now),
      },
      ctx.now,
    )
    const facts = { from: found.phase, to }
    await trace(
      ctx,
      id,
      { kind: 'phase-changed', text: `moved the case from ${found.phase} to ${to}`, facts },
      { action: 'case.phase-changed', facts },
    )
    return caseOf(await caseToRead(ctx, id))
  },

  async share(ctx, { id, version, tlp, audience, recipientIds }) {
    const found = await caseToChange(ctx, id, 'case:share', version)
    const wanted = settled({ tlp, audience, ownerId: found.owner?.id ?? null, recipientIds })
    const known = new Set((await membersAmong(ctx.tx, wanted.recipientIds)).map((member) => member.id))
    const strangers = wanted.recipientIds.filter((each) => !known.has(each))
    if (strangers.length > 0)
      throw refused('recipientIds', `must be members of this organization: ${strangers.join(', ')}`)
    const refusal = refusalOfAudience({ id: ctx.person.userId, role: ctx.person.role }, wanted)
    if (refusal) throw new AppError('conflict', refusal, { fields: [{ path: 'recipientIds', message: refusal }] })
    await restrict(ctx, found, wanted)
    return caseOf(await caseToRead(ctx, id))
  },
}

/**
 * Gives a case its audience. The order is what row security needs, which binds this person too: recipients come before
 * the TLP becomes RED, or the case would vanish from under the statement; they go after it stopped being RED, for until
 * then only they may lift the restriction of its alerts.
 */
export async function setAudience(
  ctx: TenantCtx,
  found: CaseDetail,
  wanted: Audience,
  change: CaseChange,
): Promise<void> {
  const before = audienceOf(found).recipientIds
  await addRecipients(
    ctx.tx,
    found.id,
    wanted.recipientIds.filter((id) => !before.includes(id)),
  )
  await updateCase(
    ctx.tx,
    found,
    { ...change, tlp: wanted.tlp, audience: wanted.audience, owner_id: wanted.ownerId },
    ctx.now,
  )
  await removeRecipients(
    ctx.tx,
    found.id,
    before.filter((id) => !wanted.recipientIds.includes(id)),
  )
}

async function restrict(ctx: TenantCtx, found: CaseDetail, wanted: Audience): Promise<void> {
  const from = audienceOf(found)
  const responded_at = respondedAt(found, { phase: found.phase, ownerId: wanted.ownerId }, ctx.now)
  await setAudience(ctx, found, wanted, { responded_at })
  ctx.live('alerts')
  const facts = { from, to: wanted }
  const named = wanted.audience === 'named' ? `, for ${wanted.recipientIds.length} named` : ', for the organization'
  await trace(
    ctx,
    found.id,
    { kind: 'shared', text: `set TLP:${wanted.tlp}${named}`, facts },
    { action: 'case.shared', facts: { from: counted(from), to: counted(wanted) } },
  )
}

type Edit = Omit<Parameters<CaseItself['update']>[1], 'id' | 'version'>
type Changes = Record<string, { from?: unknown; to?: unknown }>

/** What an edit changes, in the database, in facts and in words; nothing where it says what is already so. */
async function editOf(
  ctx: TenantCtx,
  found: CaseDetail,
  wanted: Edit,
): Promise<{ change: CaseChange; facts: Changes; words: string[] }> {
  const ownerId = found.owner?.id ?? null
  const severity = wanted.severity === undefined ? found.severity : severityRank(wanted.severity)
  const techniques = wanted.techniques ? [...new Set(wanted.techniques)].toSorted() : found.techniques
  const resolution = wanted.resolution === undefined ? found.resolution : wanted.resolution.trim() || null
  const change: { -readonly [K in keyof CaseChange]: CaseChange[K] } = {}
  const facts: Changes = {}
  const words: string[] = []

  if (wanted.title !== undefined && wanted.title !== found.title) {
    change.title = wanted.title
    facts['title'] = { from: found.title, to: wanted.title }
    words.push('changed the title')
  }
  if (wanted.description !== undefined && wanted.description !== found.description) {
    change.description = wanted.description
    facts['description'] = {}
    words.push('changed the description')
  }
  if (resolution !== found.resolution) {
    if (found.phase === 'closed' && resolution === null)
      throw new AppError('conflict', 'A closed case keeps its resolution: reopen it first.')
    change.resolution = resolution
    facts['resolution'] = {}
    words.push(resolution === null ? 'took the resolution back' : 'wrote the resolution')
  }
  if (severity !== found.severity) {
    change.severity = severity
    facts['severity'] = { from: severityOf(found.severity), to: severityOf(severity) }
    words.push(`changed the severity from ${severityOf(found.severity)} to ${severityOf(severity)}`)
    change.due_at = dueAfterChange(found, responseDueAt(severityOf(severity), found.openedAt))
  }
  if (wanted.ownerId !== undefined && wanted.ownerId !== ownerId) {
    const before = audienceOf(found)
    const after: Audience = { ...before, ownerId: wanted.ownerId }
    // By the audience before: the owner of a named case sees it, so whoever may edit could else let anybody in.
    if (wanted.ownerId !== null) await requireSeeing(ctx, wanted.ownerId, before, 'ownerId')
    const refusal = refusalOfAudience({ id: ctx.person.userId, role: ctx.person.role }, after)
    if (refusal) throw new AppError('conflict', refusal, { fields: [{ path: 'ownerId', message: refusal }] })
    change.owner_id = wanted.ownerId
    change.responded_at = respondedAt(found, { phase: found.phase, ownerId: wanted.ownerId }, ctx.now)
    facts['ownerId'] = { from: ownerId, to: wanted.ownerId }
    words.push(
      wanted.ownerId === null
        ? 'took the owner off'
        : wanted.ownerId === ctx.person.userId
          ? 'took the case over'
          : 'gave the case an owner',
    )
  }
  if (techniques.join() !== found.techniques.join()) {
    change.techniques = [...techniques]
    facts['techniques'] = { from: found.techniques, to: techniques }
    words.push('changed the ATT&CK techniques')
  }
  return { change, facts, words }
}

/** Of the facts of an edit, what the audit log may hold: no text that a person wrote. */
function idsAndWords({ severity, ownerId, techniques }: Changes): Record<string, unknown> {
  return { ...(severity && { severity }), ...(ownerId && { ownerId }), ...(techniques && { techniques }) }
}
