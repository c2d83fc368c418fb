import type { PlaybookGraph } from '@redoubt/contract'
import type { z } from 'zod'

export type Graph = z.output<typeof PlaybookGraph>
export type Placed = { readonly id: string; readonly x: number; readonly y: number }

export const nodeWidth = 216
export const nodeHeight = 56
const gapX = 32
const gapY = 44

/**
 * Places the nodes of an acyclic control flow in layers from top to bottom: each below everything that leads to it, and
 * within its layer near the middle of its predecessors. Nodes come in the order of the text, parents before children.
 */
export function placeNodes(graph: Graph): readonly Placed[] {
  const layerOf = new Map<string, number>()
  for (const node of graph.nodes) {
    const above = graph.edges.filter((edge) => edge.to === node.id).map((edge) => layerOf.get(edge.from) ?? -1)
    layerOf.set(node.id, Math.max(-1, ...above) + 1)
  }
  const layers: string[][] = []
  for (const [id, layer] of layerOf) {
    layers[layer] ??= []
    layers[layer].push(id)
  }
  const middleOf = new Map<string, number>()
  const placed: Placed[] = []
  for (const [layer, ids] of layers.entries()) {
    const wish = (id: string) => {
      const from = graph.edges.filter((edge) => edge.to === id)
      if (from.length === 0) return 0
      const lean = from.some((edge) => edge.label === 'then') ? -1 : from.some((edge) => edge.label === 'else') ? 1 : 0
      return (
        from.reduce((sum, edge) => sum + (middleOf.get(edge.from) ?? 0), 0) / from.length +
        lean * ((nodeWidth + gapX) / 2)
      )
    }
    const wished = ids.map((id) => ({ id, x: wish(id) })).sort((a, b) => a.x - b.x)
    let right = Number.NEGATIVE_INFINITY
    for (const node of wished) {
      const x = Math.max(node.x, right)
      right = x + nodeWidth + gapX
      middleOf.set(node.id, x)
      placed.push({ id: node.id, x, y: layer * (nodeHeight + gapY) })
    }
  }
  return placed
}
