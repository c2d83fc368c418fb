import { type Bytes, concatBytes, equalBytes } from './bytes.ts'

/*
 * The checking half of RFC 6962 §2.1, in the form of RFC 9162 §2.1.3.2 and §2.1.4.2. It runs in a browser: SHA-256 comes
 * from WebCrypto. Sizes are whole numbers below 2^53, so halving is done by arithmetic; `>>` would cut them to 32 bits.
 */

const LEAF_PREFIX = Uint8Array.of(0)
const NODE_PREFIX = Uint8Array.of(1)
export const HASH_LENGTH = 32

/** What a leaf hash is taken over. The prefix keeps a leaf from being presented as an inner node (second preimage). */
export const leafPreimage = (data: Uint8Array): Bytes => concatBytes(LEAF_PREFIX, data)
/** What the hash of an inner node is taken over. */
export const nodePreimage = (left: Uint8Array, right: Uint8Array): Bytes => concatBytes(NODE_PREFIX, left, right)

export const sha256 = async (bytes: Bytes): Promise<Bytes> =>
  new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', bytes))
/** Leaf hash of RFC 6962 §2.1, by WebCrypto. */
export const hashLeaf = (data: Uint8Array): Promise<Bytes> => sha256(leafPreimage(data))
const hashNode = (left: Uint8Array, right: Uint8Array): Promise<Bytes> => sha256(nodePreimage(left, right))

/** `leaf` is the leaf hash at `index` (from 0) in a tree of `size` leaves whose root is `root`. */
export type InclusionClaim = {
  readonly index: number
  readonly size: number
  readonly leaf: Uint8Array
  readonly proof: readonly Uint8Array[]
  readonly root: Uint8Array
}

/** The tree of `second` leaves begins with the tree of `first` leaves. */
export type ConsistencyClaim = {
  readonly first: number
  readonly firstRoot: Uint8Array
  readonly second: number
  readonly secondRoot: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/** Whether an inclusion proof holds (RFC 9162 §2.1.3.2). Malformed input is a proof that does not hold. */
export async function verifyInclusion(claim: InclusionClaim): Promise<boolean> {
  const { index, size, leaf, proof, root } = claim
  if (!isSize(index) || !isSize(size) || index >= size) return false
  if (![leaf, root, ...proof].every(isHash)) return false
  let position = index
  let last = size - 1
  let hash = leaf
  for (const sibling of proof) {
    if (last === 0) return false
    if (isOdd(position) || position === last) {
      hash = await hashNode(sibling, hash)
      while (!isOdd(position) && position !== 0) {
        position = half(position)
        last = half(last)
      }
    } else {
      hash = await hashNode(hash, sibling)
    }
    position = half(position)
    last = half(last)
  }
  return last === 0 && equalBytes(hash, root)
}

/**
 * Whether a consistency proof holds (RFC 9162 §2.1.4.2). The empty tree is the beginning of every tree: its proof is
 * empty and its root is the hash of nothing.
 */
export async function verifyConsistency(claim: ConsistencyClaim): Promise<boolean> {
  const { first, second, firstRoot, secondRoot, proof } = claim
  if (!isSize(first) || !isSize(second) || first > second) return false
  if (![firstRoot, secondRoot, ...proof].every(isHash)) return false
  if (first === second) return proof.length === 0 && equalBytes(firstRoot, secondRoot)
  if (first === 0) return proof.length === 0 && equalBytes(firstRoot, await sha256(new Uint8Array()))

  // A complete first tree is itself the first node of the proof, and is therefore left out of it.
  const path = isPowerOfTwo(first) ? [firstRoot, ...proof] : proof
  const [start, ...rest] = path
  if (start === undefined || proof.length === 0) return false
  let position = first - 1
  let last = second - 1
  while (isOdd(position)) {
    position = half(position)
    last = half(last)
  }
  let older = start
  let newer = start
  for (const node of rest) {
    if (last === 0) return false
    if (isOdd(position) || position === last) {
      older = await hashNode(node, older)
      newer = await hashNode(node, newer)
      while (!isOdd(position) && position !== 0) {
        position = half(position)
        last = half(last)
      }
    } else {
      newer = await hashNode(newer, node)
    }
    position = half(position)
    last = half(last)
  }
  return last === 0 && equalBytes(older, firstRoot) && equalBytes(newer, secondRoot)
}

const isSize = (value: number): boolean => Number.isSafeInteger(value) && value >= 0
const isHash = (value: Uint8Array): boolean => value.length === HASH_LENGTH
const isOdd = (value: number): boolean => value % 2 === 1
const half = (value: number): number => Math.floor(value / 2)
const isPowerOfTwo = (value: number): boolean => /^10*$/.test(value.toString(2))
