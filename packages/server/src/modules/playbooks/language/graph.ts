import type { Step } from '@redoubt/contract'
import type { Playbook } from './playbook.ts'

export type GraphNode = {
  readonly id: string
  readonly type: Step['type']
  /** What the step does, in a few words. */
  readonly label: string
  readonly line: number
}
export type GraphEdge = { readonly from: string; readonly to: string; readonly label: 'then' | 'else' | null }
export type PlaybookGraph = { readonly nodes: readonly GraphNode[]; readonly edges: readonly GraphEdge[] }

type Exit = { readonly from: string; readonly label: GraphEdge['label'] }

/** The control flow: nodes in the order of the text; after a condition the ends of both branches meet again. */
export const playbookGraph = (playbook: Playbook): PlaybookGraph => {
  const nodes: GraphNode[] = []
  const edges: GraphEdge[] = []
  const walk = (steps: readonly Step[], entries: readonly Exit[]): readonly Exit[] => {
    let open = entries
    for (const step of steps) {
      nodes.push({ id: step.id, type: step.type, label: labelOf(step), line: playbook.lines[step.id] ?? 1 })
      edges.push(...open.map((exit) => ({ ...exit, to: step.id })))
      open = [{ from: step.id, label: null }]
      if (step.type !== 'condition') continue
      const yes = walk(step.whenTrue, [{ from: step.id, label: 'then' }])
      open = [...yes, ...walk(step.whenFalse, [{ from: step.id, label: 'else' }])]
    }
    return open
  }
  walk(playbook.steps, [])
  return { nodes, edges }
}

const labelOf = (step: Step): string => {
  switch (step.type) {
    case 'http.request':
      return `${step.method} ${/^https?:\/\/([^/?]+)/.exec(step.url)?.[1] ?? ''}`
    case 'condition':
      return step.if
    case 'transform':
      return `set ${Object.keys(step.set).join(', ')}`
    case 'wait-for-approval':
      return `${step.role} approves`
    case 'case.comment':
      return 'comment on the case'
  }
}
