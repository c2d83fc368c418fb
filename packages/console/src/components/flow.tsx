import '@xyflow/react/dist/base.css'
import './flow.css'
import { Background, Controls, type Edge, Handle, type Node, type NodeProps, Position, ReactFlow } from '@xyflow/react'
import { useMemo } from 'react'
import { type Graph, nodeHeight, nodeWidth, placeNodes } from './flow-layout.ts'
import { Icon, type IconName } from './icon.tsx'

const typeIcons: Readonly<Record<string, IconName>> = {
  'http.request': 'globe',
  condition: 'branch',
  transform: 'transform',
  'wait-for-approval': 'wait',
  'case.comment': 'comment',
}

/** How far a step of a run has come; `idle` before its turn. */
export type StepState = 'idle' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'skipped'

const stateLook: Record<StepState, { frame: string; icon: IconName | null; word: string }> = {
  idle: { frame: 'border-line', icon: null, word: '' },
  running: { frame: 'border-accent ring-2 ring-accent-soft', icon: 'run', word: 'running' },
  waiting: { frame: 'border-accent border-dashed ring-2 ring-accent-soft', icon: 'wait', word: 'waiting' },
  succeeded: { frame: 'border-accent', icon: 'check', word: 'succeeded' },
  failed: { frame: 'border-danger', icon: 'close', word: 'failed' },
  skipped: { frame: 'border-line border-dashed opacity-60', icon: null, word: 'skipped' },
}

type StepNode = Node<{ label: string; type: string; state: StepState }, 'step'>

function StepBox({ id, data }: NodeProps<StepNode>) {
  const look = stateLook[data.state]
  return (
    <div className={`flow-step flex items-center gap-2.5 rounded-md border bg-surface px-3 ${look.frame}`}>
      <Handle type="target" position={Position.Top} isConnectable={false} className="flow-handle" />
      <Icon name={typeIcons[data.type] ?? 'right'} className="text-faint" />
      <span className="min-w-0 flex-1">
        <span className="block truncate text-sm font-medium">{id}</span>
        <span className="block truncate text-xs text-faint">{data.label}</span>
      </span>
      {look.icon && <Icon name={look.icon} className={data.state === 'failed' ? 'text-danger' : 'text-accent'} />}
      <span className="sr-only">{look.word}</span>
      <Handle type="source" position={Position.Bottom} isConnectable={false} className="flow-handle" />
    </div>
  )
}

const nodeTypes = { step: StepBox }

type FlowProps = {
  graph: Graph
  stateOf?: (stepId: string) => StepState
  /** Called with the step a person presses. */
  onStep?: (stepId: string) => void
}

/** A playbook as a graph. The same facts stand as text beside it, so it takes no keyboard focus of its own. */
export function Flow({ graph, stateOf = () => 'idle', onStep }: FlowProps) {
  const placed = useMemo(() => placeNodes(graph), [graph])
  const nodes = placed.flatMap(({ id, x, y }): StepNode[] => {
    const node = graph.nodes.find((each) => each.id === id)
    if (!node) return []
    return [
      {
        id,
        type: 'step',
        position: { x, y },
        width: nodeWidth,
        height: nodeHeight,
        data: { label: node.label, type: node.type, state: stateOf(id) },
      },
    ]
  })
  const edges = graph.edges.map((edge): Edge => {
    const isPassed = stateOf(edge.from) === 'succeeded' && !['idle', 'skipped'].includes(stateOf(edge.to))
    return {
      id: `${edge.from}-${edge.to}-${edge.label ?? ''}`,
      source: edge.from,
      target: edge.to,
      type: 'smoothstep',
      className: isPassed ? 'flow-passed' : '',
      ...(edge.label ? { label: edge.label } : {}),
    }
  })
  // A graph of other steps is fitted anew; the same steps in other states stay where they are looked at.
  const shape = graph.nodes.map((node) => node.id).join(' ')
  return (
    <ReactFlow
      key={shape}
      aria-label="Playbook graph"
      nodes={nodes}
      edges={edges}
      nodeTypes={nodeTypes}
      fitView
      fitViewOptions={{ maxZoom: 1, padding: 0.15 }}
      minZoom={0.2}
      maxZoom={1.5}
      nodesDraggable={false}
      nodesConnectable={false}
      nodesFocusable={false}
      edgesFocusable={false}
      elementsSelectable={onStep !== undefined}
      disableKeyboardA11y
      deleteKeyCode={null}
      proOptions={{ hideAttribution: true }}
      {...(onStep ? { onNodeClick: (_event, node) => onStep(node.id) } : {})}
    >
      <Background gap={20} size={1} />
      <Controls showInteractive={false} />
    </ReactFlow>
  )
}
