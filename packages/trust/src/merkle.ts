import { hash as digest } from 'node:crypto'
import { HASH_LENGTH, leafPreimage, nodePreimage } from './merkle-proof.ts'
import { TrustError } from './trust-error.ts'

/*
 * The growing half of RFC 6962 §2.1: a log keeps the hash of every complete subtree, addressed by level (0 is a leaf
 * hash) and index within the level. Complete subtrees never change, so a store of them is append-only.
 */

export type TreeNode = { readonly level: number; readonly index: number; readonly hash: Uint8Array }
/** Fetches the stored hash of one complete subtree. */
export type NodeStore = (level: number, index: number) => Promise<Uint8Array>

const sha256 = (bytes: Uint8Array): Uint8Array => digest('sha256', bytes, 'buffer')
const hashNode = (left: Uint8Array, right: Uint8Array): Uint8Array => sha256(nodePreimage(left, right))

/** RFC 6962 §2.1: SHA-256(0x00 || data). */
export const leafHash = (data: Uint8Array): Uint8Array => sha256(leafPreimage(data))
/** The root of the tree without leaves: SHA-256 of nothing. */
export const emptyRoot = (): Uint8Array => sha256(new Uint8Array())

/**
 * The complete subtrees along the right edge of a tree, largest first: all that is needed to append and to compute the
 * root, in memory logarithmic in the size.
 */
export class Frontier {
  #size: number
  readonly #edge: Uint8Array[]

  constructor(size = 0, edge: readonly Uint8Array[] = []) {
    requireSize(size)
    if (edge.length !== edgeOf(size).length) throw new TrustError('tree_invalid', `${size} leaves need another edge`)
    this.#size = size
    this.#edge = [...edge]
  }

  get size(): number {
    return this.#size
  }

  copy(): Frontier {
    return new Frontier(this.#size, this.#edge)
  }

  /** Appends one leaf hash. `completed` receives every subtree this completes, the leaf first. */
  push(leaf: Uint8Array, completed?: (node: TreeNode) => void): void {
    requireHash(leaf)
    let hash = leaf
    let level = 0
    let index = this.#size
    completed?.({ level, index, hash })
    while (index % 2 === 1) {
      const left = this.#edge.pop()
      if (left === undefined) throw new TrustError('tree_invalid', 'the edge of the tree is incomplete')
      hash = hashNode(left, hash)
      level += 1
      index = (index - 1) / 2
      completed?.({ level, index, hash })
    }
    this.#edge.push(hash)
    this.#size += 1
  }

  root(): Uint8Array {
    return this.#edge.length === 0 ? emptyRoot() : this.#edge.reduceRight((right, left) => hashNode(left, right))
  }
}

/**
 * Appends leaf hashes to a tree of `size` leaves: reads the right edge once, then works in memory. Answers the new
 * size, the new root, and the completed subtrees to be stored, level 0 included.
 */
export async function append(
  size: number,
  leaves: readonly Uint8Array[],
  store: NodeStore,
): Promise<{ size: number; root: Uint8Array; nodes: TreeNode[] }> {
  const frontier = await frontierOf(size, store)
  const nodes: TreeNode[] = []
  for (const leaf of leaves) frontier.push(leaf, (node) => nodes.push(node))
  return { size: frontier.size, root: frontier.root(), nodes }
}

/** The right edge of a stored tree. Throws `tree_invalid` for a size that is not a whole number from 0. */
export async function frontierOf(size: number, store: NodeStore): Promise<Frontier> {
  requireSize(size)
  return new Frontier(size, await Promise.all(edgeOf(size).map(({ level, index }) => store(level, index))))
}

/** The root of the first `size` leaves of a stored tree. */
export async function rootOf(size: number, store: NodeStore): Promise<Uint8Array> {
  return (await frontierOf(size, store)).root()
}

/** PATH(index, D[0:size]) of RFC 6962 §2.1.1, leaf side first. Throws `tree_invalid` when `index` is not below `size`. */
export async function inclusionProof(index: number, size: number, store: NodeStore): Promise<Uint8Array[]> {
  requireSize(size)
  requireSize(index)
  if (index >= size) throw new TrustError('tree_invalid', `leaf ${index} is not in a tree of ${size}`)
  const siblings: Range[] = []
  let range: Range = { begin: 0, end: size }
  while (range.end - range.begin > 1) {
    const [left, right] = split(range)
    siblings.push(index < left.end ? right : left)
    range = index < left.end ? left : right
  }
  return Promise.all(siblings.reverse().map((sibling) => rangeRoot(sibling, store)))
}

/**
 * PROOF(first, D[0:second]) of RFC 6962 §2.1.2. Empty when the sizes are equal, or when `first` is 0. Throws
 * `tree_invalid` when `first` is above `second`.
 */
export async function consistencyProof(first: number, second: number, store: NodeStore): Promise<Uint8Array[]> {
  requireSize(first)
  requireSize(second)
  if (first > second) throw new TrustError('tree_invalid', `a tree of ${second} cannot extend one of ${first}`)
  if (first === 0) return []
  const parts: Range[] = []
  let range: Range = { begin: 0, end: second }
  while (range.end !== first) {
    const [left, right] = split(range)
    parts.push(first <= left.end ? right : left)
    range = first <= left.end ? left : right
  }
  // A remaining range that starts at 0 is the first tree itself: the verifier already holds its root.
  if (range.begin !== 0) parts.push(range)
  return Promise.all(parts.reverse().map((part) => rangeRoot(part, store)))
}

type Range = { readonly begin: number; readonly end: number }

/** At the largest power of two below the length, as RFC 6962 §2.1 divides a list. */
function split({ begin, end }: Range): [Range, Range] {
  const middle = begin + 2 ** (bitLength(end - begin - 1) - 1)
  return [
    { begin, end: middle },
    { begin: middle, end },
  ]
}

async function rangeRoot(range: Range, store: NodeStore): Promise<Uint8Array> {
  const length = range.end - range.begin
  const level = bitLength(length) - 1
  if (2 ** level === length) return store(level, range.begin / length)
  const [left, right] = split(range)
  const [leftRoot, rightRoot] = await Promise.all([rangeRoot(left, store), rangeRoot(right, store)])
  return hashNode(leftRoot, rightRoot)
}

/** The complete subtrees a tree of `size` leaves consists of: one per set bit, largest first. */
function edgeOf(size: number): { level: number; index: number }[] {
  const edge: { level: number; index: number }[] = []
  let begin = 0
  while (begin < size) {
    const level = bitLength(size - begin) - 1
    edge.push({ level, index: begin / 2 ** level })
    begin += 2 ** level
  }
  return edge
}

/** Bits needed to write a number below 2^53; exact where `Math.log2` would round. */
const bitLength = (value: number): number => (value === 0 ? 0 : value.toString(2).length)

function requireSize(value: number): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new TrustError('tree_invalid', `${value} is not a whole number from 0 to 2^53-1`)
}

function requireHash(hash: Uint8Array): void {
  if (hash.length !== HASH_LENGTH) throw new TrustError('tree_invalid', `a hash has 32 bytes, not ${hash.length}`)
}
