import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Graph, nodeHeight, nodeWidth, placeNodes } from './flow-layout.ts'

/** Control flows as the platform makes them: nodes in the order of the text, edges only forward. */
const flows: fc.Arbitrary<Graph> = fc
  .array(fc.tuple(fc.nat(), fc.nat(), fc.constantFrom('then', 'else', null)), { minLength: 1, maxLength: 40 })
  .map((links) => ({
    nodes: links.map((_, index) => ({ id: `n${index}`, type: 'transform', label: '', line: index + 1 })),
    edges: links.flatMap(([a, b, label], index) =>
      index === 0
        ? []
        : [...new Set([a % index, b % index])].map((from) => ({ from: `n${from}`, to: `n${index}`, label })),
    ),
  }))

it('places every step once, below what leads to it, and never over another', () => {
  fc.assert(
    fc.property(flows, (graph) => {
      const placed = placeNodes(graph)
      const at = new Map(placed.map((node) => [node.id, node]))
      expect(at.size).toBe(graph.nodes.length)
      for (const edge of graph.edges) expect(at.get(edge.to)!.y).toBeGreaterThan(at.get(edge.from)!.y)
      for (const [index, a] of placed.entries()) {
        for (const b of placed.slice(index + 1)) {
          expect(Math.abs(a.x - b.x) >= nodeWidth || Math.abs(a.y - b.y) >= nodeHeight).toBe(true)
        }
      }
    }),
  )
})

it('puts the then branch to the left of the else branch', () => {
  const node = (id: string) => ({ id, type: 'transform', label: '', line: 1 })
  const placed = placeNodes({
    nodes: [node('if'), node('yes'), node('no')],
    edges: [
      { from: 'if', to: 'yes', label: 'then' },
      { from: 'if', to: 'no', label: 'else' },
    ],
  })
  expect(placed.find(({ id }) => id === 'yes')!.x).toBeLessThan(placed.find(({ id }) => id === 'no')!.x)
})
