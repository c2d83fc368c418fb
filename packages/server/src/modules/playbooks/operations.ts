import { randomUUIDv7 } from 'node:crypto'
import type { contract } from '@redoubt/contract'
import { AppError } from '../../platform/app-error.ts'
import type { Handlers, TenantCtx } from '../../platform/operation.ts'
import { compilePlaybook } from './language/index.ts'
import { graphOf, outlineOf, requireSound, sha256Of } from './rules.ts'
import {
  type Draft,
  insertPlaybook,
  listPlaybooks,
  lockPlaybook,
  type PlaybookRow,
  readPlaybook,
  replacePlaybook,
  setArchived,
} from './store.ts'

/** Playbooks and their versions. */
export function playbookOperations(): Handlers<typeof contract.playbooks> {
  return {
    async list(ctx, { archived }) {
      return { items: (await listPlaybooks(ctx.tx, archived)).map(summaryOf), next: null }
    },

    get: (ctx, { id }) => shown(ctx, id),

    async check(_ctx, { yaml }) {
      const compiled = compilePlaybook(yaml)
      if (!compiled.ok) return { ok: false, errors: [...compiled.errors], warnings: [], graph: null }
      return { ok: true, errors: [], warnings: [...compiled.warnings], graph: graphOf(yaml) }
    },

    async create(ctx, { yaml }) {
      const draft = draftOf(ctx, { id: randomUUIDv7(), version: 1, yaml })
      await insertPlaybook(ctx.tx, draft)
      trace(ctx, 'playbook.created', draft)
      return shown(ctx, draft.id)
    },

    async update(ctx, { id, version, yaml }) {
      const before = await lockPlaybook(ctx.tx, id)
      requireVersion(before.version, version)
      if (before.archived) throw new AppError('conflict', 'This playbook is put away: bring it back to change it.')
      const draft = draftOf(ctx, { id, version: version + 1, yaml })
      await replacePlaybook(ctx.tx, draft)
      trace(ctx, 'playbook.updated', draft)
      return shown(ctx, id)
    },

    async archive(ctx, { id, version, archived }) {
      const before = await lockPlaybook(ctx.tx, id)
      requireVersion(before.version, version)
      await setArchived(ctx.tx, id, { archived, at: ctx.now, by: ctx.person.userId })
      trace(ctx, archived ? 'playbook.archived' : 'playbook.restored', { id, version })
      return shown(ctx, id)
    },
  }
}

function draftOf(ctx: TenantCtx, text: { id: string; version: number; yaml: string }): Draft {
  return {
    ...text,
    ...outlineOf(requireSound(text.yaml)),
    sha256: sha256Of(text.yaml),
    at: ctx.now,
    by: ctx.person.userId,
  }
}

function requireVersion(present: number, expected: number): void {
  if (present === expected) return
  throw new AppError('stale', `This playbook is at version ${present} by now, not ${expected}: look at it, then save.`)
}

function trace(ctx: TenantCtx, action: string, of: { id: string; version: number; sha256?: string }): void {
  const { id, ...facts } = { id: of.id, version: of.version, ...(of.sha256 ? { sha256: of.sha256 } : {}) }
  ctx.record({ action, target: { kind: 'playbook', id }, facts })
  ctx.live('playbooks')
}

async function shown(ctx: TenantCtx, id: string) {
  const row = await readPlaybook(ctx.tx, id)
  return { ...summaryOf(row), yaml: row.yaml, sha256: row.sha256, graph: graphOf(row.yaml) }
}

const summaryOf = (row: PlaybookRow) => ({
  id: row.id,
  name: row.name,
  description: row.description,
  tlp: row.tlp,
  version: row.version,
  steps: row.stepCount,
  needsApproval: row.needsApproval,
  updatedAt: row.updatedAt.toISOString(),
  updatedBy: row.updatedBy,
  archived: row.archived,
})
