import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'

/** Everything a reader of the YAML can be told: 1-based line and column, a path such as `steps[0].url`, the mend. */
export type Problem = {
  readonly line: number
  readonly column: number
  readonly path: string
  readonly message: string
}

/** YAML as maps, lists and scalars that know where they stand (`at` is an offset into the text). */
export type Located =
  | { readonly kind: 'map'; readonly at: number; readonly entries: readonly Entry[] }
  | { readonly kind: 'list'; readonly at: number; readonly items: readonly Located[] }
  | { readonly kind: 'scalar'; readonly at: number; readonly value: null | boolean | number | string }
export type Entry = { readonly key: string; readonly at: number; readonly value: Located }

export const SOURCE_MAX_BYTES = 128 * 1024
/** Aliases are followed, but a "billion laughs" document ends here. */
const NODES_MAX = 10_000
const DEPTH_MAX = 40

export type Source = {
  readonly root: Located | undefined
  readonly problems: readonly Problem[]
  readonly position: (at: number) => { readonly line: number; readonly column: number }
}

class Refused extends Error {
  readonly at: number
  constructor(at: number, message: string) {
    super(message)
    this.at = at
  }
}

/**
 * Parses YAML 1.2 (core schema) without any of its executable corners: no tags, no merge keys, plain string keys, one
 * document, bounded size, depth and alias expansion. Never throws.
 */
export const readSource = (text: string): Source => {
  const lines = new LineCounter()
  const position = (at: number) => {
    const { line, col } = lines.linePos(at)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const refuse = (problems: readonly Problem[]): Source => ({ root: undefined, problems, position })
  const bytes = new TextEncoder().encode(text).byteLength
  if (bytes > SOURCE_MAX_BYTES) {
    const message = `the playbook has ${bytes} bytes; at most ${SOURCE_MAX_BYTES} are allowed`
    return refuse([{ line: 1, column: 1, path: '', message }])
  }
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, schema: 'core', version: '1.2' })
    const faults = [...document.errors, ...document.warnings.filter((warning) => warning.code !== 'TAG_RESOLVE_FAILED')]
    // The YAML composer recurses, and reports its exhausted stack once per bracket.
    if (faults.some((fault) => fault.message.includes('call stack'))) throw new RangeError('nested too deeply')
    if (faults.length > 0) {
      return refuse(faults.map((fault) => ({ ...position(fault.pos[0]), path: '', message: sayFault(fault) })))
    }
    if (document.contents === null) return refuse([{ line: 1, column: 1, path: '', message: 'the playbook is empty' }])
    let nodes = 0
    const locate = (node: Node | null | undefined, depth: number, at: number): Located => {
      if (node === null || node === undefined) return { kind: 'scalar', at, value: null }
      const start = node.range?.[0] ?? at
      if (depth > DEPTH_MAX) throw new Refused(start, `nested more than ${DEPTH_MAX} deep`)
      if (++nodes > NODES_MAX) throw new Refused(start, `more than ${NODES_MAX} values once aliases are followed`)
      if (isAlias(node)) {
        const target = node.resolve(document)
        if (target === undefined) throw new Refused(start, `the alias *${node.source} names no anchor`)
        return locate(target, depth + 1, start)
      }
      if (node.tag !== undefined) throw new Refused(start, `tags are not allowed here; remove ${node.tag}`)
      if (isMap(node)) {
        const entries = node.items.map((pair): Entry => {
          const key = pair.key
          if (!isScalar(key) || key.value === null || typeof key.value === 'object') {
            throw new Refused(isScalar(key) ? (key.range?.[0] ?? start) : start, 'a key must be a plain word')
          }
          const keyAt = key.range?.[0] ?? start
          return { key: String(key.value), at: keyAt, value: locate(pair.value as Node | null, depth + 1, keyAt) }
        })
        return { kind: 'map', at: start, entries }
      }
      if (isSeq(node)) {
        return { kind: 'list', at: start, items: node.items.map((item) => locate(item as Node, depth + 1, start)) }
      }
      const value = isScalar(node) ? node.value : undefined
      if (typeof value === 'number' && !Number.isFinite(value)) throw new Refused(start, 'must be a finite number')
      if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number') {
        return { kind: 'scalar', at: start, value }
      }
      throw new Refused(start, 'is not a value a playbook can hold')
    }
    return { root: locate(document.contents, 0, 0), problems: [], position }
  } catch (error) {
    if (error instanceof Refused) return refuse([{ ...position(error.at), path: '', message: error.message }])
    if (error instanceof RangeError) {
      return refuse([{ line: 1, column: 1, path: '', message: `nested more than ${DEPTH_MAX} deep` }])
    }
    throw error
  }
}

const sayFault = (fault: { readonly code: string; readonly message: string }): string => {
  if (fault.code === 'DUPLICATE_KEY') return 'this key is already given above; keep one of them'
  if (fault.code === 'MULTIPLE_DOCS') return 'one file holds one playbook; remove the second document'
  if (fault.code === 'TAB_AS_INDENT') return 'indent with spaces, not with tabs'
  return `not valid YAML: ${fault.message}`
}
