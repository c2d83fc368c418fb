import { createHash } from 'node:crypto'
import { everyStep } from '@redoubt/contract'
import { AppError } from '../../platform/app-error.ts'
import {
  compilePlaybook,
  type GraphEdge,
  type GraphNode,
  type Playbook,
  type Problem,
  playbookGraph,
} from './language/index.ts'

/** @throws AppError unprocessable with every error of the text; `path` is `line:column`, 1-based */
export function requireSound(yaml: string): Playbook {
  const compiled = compilePlaybook(yaml)
  if (compiled.ok) return compiled.playbook
  const { errors } = compiled
  const count = errors.length === 1 ? 'an error' : `${errors.length} errors`
  throw new AppError('unprocessable', `The playbook has ${count}; \`errors\` says at which line and how to mend it.`, {
    fields: errors.map((problem) => ({ path: `${problem.line}:${problem.column}`, message: sentenceOf(problem) })),
  })
}

/** The control flow of a text; empty for one that was saved by a release whose language was laxer, so that it still opens. */
export function graphOf(yaml: string): { nodes: GraphNode[]; edges: GraphEdge[] } {
  const compiled = compilePlaybook(yaml)
  if (!compiled.ok) return { nodes: [], edges: [] }
  const { nodes, edges } = playbookGraph(compiled.playbook)
  return { nodes: [...nodes], edges: [...edges] }
}

/** What lists show of a playbook. */
export function outlineOf(playbook: Playbook) {
  const steps = [...everyStep(playbook.steps)]
  return {
    name: playbook.name,
    description: playbook.description,
    tlp: playbook.tlp,
    stepCount: steps.length,
    needsApproval: steps.some((step) => step.type === 'wait-for-approval'),
  }
}

/** SHA-256 of the text as it was written, hexadecimal; approvals and plans are bound to it. */
export const sha256Of = (yaml: string): string => createHash('sha256').update(yaml, 'utf8').digest('hex')

const sentenceOf = ({ path, message }: Problem): string => (path === '' ? message : `${path} ${message}`)
