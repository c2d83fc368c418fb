import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  append,
  consistencyProof,
  emptyRoot,
  Frontier,
  inclusionProof,
  leafHash,
  type NodeStore,
  rootOf,
} from './merkle.ts'
import { hashLeaf, verifyConsistency, verifyInclusion } from './merkle-proof.ts'

// The eight-leaf tree of the certificate-transparency reference implementation, its roots and its proofs.
const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
const roots = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]
const inclusions: [index: number, size: number, proof: string[]][] = [
  [0, 1, []],
  [
    0,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  ],
  [
    5,
    8,
    [
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  ],
  [2, 3, ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125']],
]
const consistencies: [first: number, second: number, proof: string[]][] = [
  [1, 1, []],
  [1, 8, inclusions[1]![2]],
  [
    6,
    8,
    [
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  ],
  [
    2,
    5,
    [
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  ],
]

const hex = (text: string) => Uint8Array.fromHex(text)
const text = (hashes: readonly Uint8Array[]) => hashes.map((hash) => hash.toHex())
const numbered = (count: number) => Array.from({ length: count }, (_, at) => leafHash(Buffer.from(`event ${at}`)))

/** A log in memory that counts what is read and refuses to overwrite. */
function memoryLog() {
  const nodes = new Map<string, Uint8Array>()
  const log = {
    size: 0,
    reads: 0,
    store: undefined as unknown as NodeStore,
    append: (_: readonly Uint8Array[]) => Promise.resolve(),
  }
  log.store = async (level, index) => {
    log.reads += 1
    const hash = nodes.get(`${level}/${index}`)
    if (hash === undefined) throw new Error(`no node ${level}/${index}`)
    return hash
  }
  log.append = async (hashes) => {
    const grown = await append(log.size, hashes, log.store)
    for (const { level, index, hash } of grown.nodes) {
      expect(nodes.has(`${level}/${index}`)).toBe(false)
      nodes.set(`${level}/${index}`, hash)
    }
    log.size = grown.size
    expect(text([grown.root])).toEqual(text([await rootOf(grown.size, log.store)]))
  }
  return log
}

async function logOf(hashes: readonly Uint8Array[]) {
  const log = memoryLog()
  await log.append(hashes)
  return log
}

const reference = () => logOf(leaves.map((leaf) => leafHash(hex(leaf))))

describe('the certificate-transparency reference tree', () => {
  test('has the published roots at every size', async () => {
    const { store } = await reference()
    for (const [size, root] of roots.entries()) expect((await rootOf(size, store)).toHex()).toBe(root)
    expect(emptyRoot().toHex()).toBe(roots[0])
  })

  test.each(inclusions)('proves leaf %i in the tree of %i as published', async (index, size, proof) => {
    const { store } = await reference()
    expect(text(await inclusionProof(index, size, store))).toEqual(proof)
    const leaf = await hashLeaf(hex(leaves[index]!))
    expect(await verifyInclusion({ index, size, leaf, proof: proof.map(hex), root: hex(roots[size]!) })).toBe(true)
  })

  test.each(consistencies)(
    'proves the tree of %i the beginning of the tree of %i as published',
    async (first, second, proof) => {
      const { store } = await reference()
      expect(text(await consistencyProof(first, second, store))).toEqual(proof)
      const claim = {
        first,
        second,
        firstRoot: hex(roots[first]!),
        secondRoot: hex(roots[second]!),
        proof: proof.map(hex),
      }
      expect(await verifyConsistency(claim)).toBe(true)
    },
  )
})

const flip = (hash: Uint8Array, at: number): Uint8Array => hash.map((byte, index) => (index === at ? byte ^ 1 : byte))
/** Every list that differs from a proof by one altered byte, one hash more, one less, or two exchanged. */
const alterations = (proof: readonly Uint8Array[], at: number): Uint8Array[][] => [
  ...proof.map((_, index) => proof.map((hash, other) => (other === index ? flip(hash, at) : hash))),
  ...proof.map((_, index) => proof.toSpliced(index, 1)),
  [...proof, leafHash(new Uint8Array())],
  [leafHash(new Uint8Array()), ...proof],
  ...(proof.length > 1 ? [[proof[1]!, proof[0]!, ...proof.slice(2)]] : []),
  proof.map((hash) => hash.slice(1)).concat([new Uint8Array()]),
]

describe('proofs', () => {
  test('of inclusion hold for every leaf and fail for any change', async () => {
    const hashes = numbered(130)
    const { store } = await logOf(hashes)
    const sizes = fc
      .integer({ min: 1, max: 130 })
      .chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 0, max: size - 1 }), fc.nat(31)))
    await fc.assert(
      fc.asyncProperty(sizes, async ([size, index, at]) => {
        const claim = {
          index,
          size,
          leaf: hashes[index]!,
          proof: await inclusionProof(index, size, store),
          root: await rootOf(size, store),
        }
        expect(await verifyInclusion(claim)).toBe(true)
        for (const proof of alterations(claim.proof, at)) expect(await verifyInclusion({ ...claim, proof })).toBe(false)
        expect(await verifyInclusion({ ...claim, leaf: flip(claim.leaf, at) })).toBe(false)
        expect(await verifyInclusion({ ...claim, root: flip(claim.root, at) })).toBe(false)
        for (const other of [index - 1, index + 1, size, index + 0.5, Number.NaN])
          expect(await verifyInclusion({ ...claim, index: other })).toBe(false)
      }),
    )
  })

  test('of consistency hold for every pair of sizes and fail for any change', async () => {
    const { store } = await logOf(numbered(130))
    const sizes = fc
      .integer({ min: 0, max: 130 })
      .chain((second) => fc.tuple(fc.integer({ min: 0, max: second }), fc.constant(second), fc.nat(31)))
    await fc.assert(
      fc.asyncProperty(sizes, async ([first, second, at]) => {
        const [firstRoot, secondRoot] = [await rootOf(first, store), await rootOf(second, store)]
        const claim = { first, second, firstRoot, secondRoot, proof: await consistencyProof(first, second, store) }
        expect(await verifyConsistency(claim)).toBe(true)
        for (const proof of alterations(claim.proof, at)) {
          if (proof.length === 0 && claim.proof.length === 0) continue
          expect(await verifyConsistency({ ...claim, proof })).toBe(false)
        }
        expect(await verifyConsistency({ ...claim, firstRoot: flip(firstRoot, at) })).toBe(false)
        // Everything extends the empty log, so only then does the second root carry no weight.
        if (first > 0) expect(await verifyConsistency({ ...claim, secondRoot: flip(secondRoot, at) })).toBe(false)
        if (first < second)
          expect(
            await verifyConsistency({
              ...claim,
              first: second,
              second: first,
              firstRoot: secondRoot,
              secondRoot: firstRoot,
            }),
          ).toBe(false)
      }),
    )
  })

  test('a leaf cannot be passed off as an inner node, nor a node as a leaf', async () => {
    const [a, b] = [leafHash(Buffer.from('a')), leafHash(Buffer.from('b'))]
    const { store } = await logOf([a, b])
    const root = await rootOf(2, store)
    const forged = leafHash(Buffer.concat([a, b]))
    expect(await verifyInclusion({ index: 0, size: 1, leaf: forged, proof: [], root })).toBe(false)
  })

  test('do not hold for a larger tree than the one they were made for', async () => {
    const { store } = await reference()
    const [firstRoot, secondRoot] = [await rootOf(1, store), await rootOf(2, store)]
    const proof = await consistencyProof(1, 2, store)
    expect(await verifyConsistency({ first: 1, second: 4, firstRoot, secondRoot, proof })).toBe(false)
    const inclusion = await inclusionProof(0, 2, store)
    const leaf = await hashLeaf(hex(leaves[0]!))
    expect(await verifyInclusion({ index: 0, size: 4, leaf, proof: inclusion, root: secondRoot })).toBe(false)
  })

  test('beyond the tree are refused', async () => {
    const { store } = await reference()
    await expect(inclusionProof(8, 8, store)).rejects.toMatchObject({ code: 'tree_invalid' })
    await expect(consistencyProof(9, 8, store)).rejects.toMatchObject({ code: 'tree_invalid' })
    await expect(rootOf(-1, store)).rejects.toMatchObject({ code: 'tree_invalid' })
    await expect(append(0, [new Uint8Array(31)], store)).rejects.toMatchObject({ code: 'tree_invalid' })
    expect(() => new Frontier(3, [])).toThrow(expect.objectContaining({ code: 'tree_invalid' }))
  })
})

describe('append', () => {
  test('gives the same tree however the leaves are batched', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(40), { maxLength: 8 }), async (batches) => {
        const hashes = numbered(batches.reduce((sum, count) => sum + count, 0))
        const log = memoryLog()
        for (let begin = 0, at = 0; at < batches.length; begin += batches[at]!, at++)
          await log.append(hashes.slice(begin, begin + batches[at]!))
        const frontier = new Frontier()
        for (const hash of hashes) frontier.push(hash)
        expect(frontier.root().toHex()).toBe((await rootOf(log.size, log.store)).toHex())
      }),
    )
  })

  test('reads only the right edge and stores fewer than two nodes a leaf', async () => {
    const log = await logOf(numbered(1023))
    log.reads = 0
    const grown = await append(log.size, numbered(5000), log.store)
    expect(log.reads).toBe(10)
    expect(grown.nodes.length).toBeLessThan(2 * 5000 + 10)
  })

  test('addresses nodes beyond 2^31 leaves', async () => {
    const size = 2 ** 40 + 1
    const asked: [number, number][] = []
    const hash = leafHash(new Uint8Array())
    const grown = await append(size, [hash], async (level, index) => {
      asked.push([level, index])
      return hash
    })
    expect(asked).toEqual([
      [40, 0],
      [0, 2 ** 40],
    ])
    expect(grown.nodes.map(({ level, index }) => [level, index])).toEqual([
      [0, 2 ** 40 + 1],
      [1, 2 ** 39],
    ])
  })
})
