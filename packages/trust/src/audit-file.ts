import { AuditFileHeader, AuditFileLine } from './audit-log.ts'
import { decodeBase64, encodeBase64, equalBytes, utf8 } from './bytes.ts'
import type { Checkpoint } from './checkpoint.ts'
import { openVerifierChain, placeInChain, type VerifierChain } from './key-succession.ts'
import { LeafQueue } from './leaf-queue.ts'
import { verifierAt, verifyChainedCheckpoint } from './log-head.ts'
import { Frontier, leafHash } from './merkle.ts'
import { TrustError } from './trust-error.ts'

const MAX_LINE_LENGTH = 4 * 1024 * 1024

export type AuditFileResult =
  | {
      readonly ok: true
      readonly organizationId: string
      readonly origin: string
      readonly events: number
      readonly checkpoints: number
      /** Compare it with one kept from earlier: a file cut right behind an older checkpoint is a true, older log. */
      readonly lastCheckpoint: { readonly size: number; readonly root: string }
      /** Of the key that signed the last checkpoint; the one to pin from now on. */
      readonly verifier: string
      /** How often the key changed since the trusted one, or within the file where it is taken from there. */
      readonly handovers: number
      /** `file`: the key was taken from the file itself, so a file forged as a whole would pass. */
      readonly verifierFrom: 'caller' | 'file'
    }
  | AuditFileProblem

/** The first thing wrong. `line` counts from 1; `range` is given where the fault cannot be placed more exactly. */
export type AuditFileProblem = {
  readonly ok: false
  readonly line: number
  readonly seq?: number
  readonly range?: { readonly from: number; readonly to: number }
  readonly problem: string
}

/**
 * Verifies an exported audit log from its lines alone, without a server, in memory that grows only with the events
 * between two checkpoints. `trustedVerifier` is the vkey the reader has from elsewhere, of now or of before a rotation:
 * from an older key the file's successions must lead to the one that signed the end.
 */
export async function verifyAuditFile(
  lines: AsyncIterable<string>,
  { trustedVerifier }: { readonly trustedVerifier?: string } = {},
): Promise<AuditFileResult> {
  let check: FileCheck | undefined
  let number = 0
  try {
    for await (const text of lines) {
      number += 1
      if (check === undefined) check = await FileCheck.open(text, trustedVerifier)
      else await check.read(text, number)
    }
    if (check === undefined) throw new Fault({ line: 1, problem: 'The file is empty.' })
    return check.finish(number)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return check?.first(error.finding) ?? error.finding
  }
}

type Finding = Omit<AuditFileProblem, 'ok'>

/** Ends the reading with the finding; never leaves this file. */
class Fault extends Error {
  readonly finding: AuditFileProblem

  constructor(finding: Finding) {
    super(finding.problem)
    this.finding = { ok: false, ...finding }
  }
}

/** An event whose body does not hash to the leaf beside it. */
type Mismatch = { readonly seq: number; readonly line: number; readonly bodyHash: Uint8Array }
/** An event that was not where it belongs, while the rest of the file is searched for it. */
type Absence = { readonly seq: number; readonly line: number; readonly found: number }

class FileCheck {
  readonly #header: AuditFileHeader
  readonly #chain: VerifierChain
  /** Places in the chain: of the trusted key, and of the one that signed the last checkpoint that held. */
  readonly #trusted: number
  #signer = 0
  readonly #verifierFrom: 'caller' | 'file'
  /** The tree as of the last checkpoint that held, and the leaf hashes behind it. */
  #sealed = new Frontier()
  readonly #queue = new LeafQueue()
  #mismatches: Mismatch[] = []
  #absence: Absence | undefined
  #events = 0
  #checkpoints = 0
  #last: Checkpoint | undefined

  private constructor(
    header: AuditFileHeader,
    chain: VerifierChain,
    trusted: { readonly place: number; readonly from: 'caller' | 'file' },
  ) {
    this.#header = header
    this.#chain = chain
    this.#trusted = trusted.place
    this.#verifierFrom = trusted.from
  }

  static async open(text: string, trusted: string | undefined): Promise<FileCheck> {
    const header = AuditFileHeader.safeParse(parseJson(text, 1))
    const fault = (problem: string) => new Fault({ line: 1, problem })
    if (!header.success) throw fault('The first line is not the header of a redoubt.audit/v1 file.')
    const { origin, verifier, successions = [] } = header.data
    // A file signed throughout with a key of the forger's own.
    if (trusted !== undefined && trusted !== verifier && successions.length === 0)
      throw fault('The file names another signing key than the trusted one.')
    const chain = await refusing(1, () => openVerifierChain(origin, verifier, successions))
    if (trusted === undefined) return new FileCheck(header.data, chain, { place: 0, from: 'file' })
    const place = await refusing(1, async () => placeInChain(chain, trusted))
    return new FileCheck(header.data, chain, { place, from: 'caller' })
  }

  async read(text: string, line: number): Promise<void> {
    const parsed = AuditFileLine.safeParse(parseJson(text, line))
    if (!parsed.success) throw new Fault({ line, problem: `Line ${line} is neither an event nor a checkpoint.` })
    const entry = parsed.data
    if (this.#absence !== undefined) {
      if (entry.kind === 'event') this.#searchFor(this.#absence, entry, line)
    } else if (entry.kind === 'event') this.#readEvent(entry, line)
    else await this.#readCheckpoint(entry.note, line)
  }

  finish(line: number): AuditFileResult {
    if (this.#absence !== undefined) throw new Fault(missing(this.#absence))
    if (this.#last?.size !== this.#events)
      throw new Fault({
        line,
        seq: this.#events,
        problem: `The end is missing: no checkpoint covers all ${this.#events} events of the file.`,
      })
    // Else the thief of a retired key could show a log of their own to a reader who has its successor already.
    if (this.#signer < this.#trusted)
      throw new Fault({
        line,
        problem:
          'The end is signed by a key that the trusted one has succeeded: the file is older than that key, or forged.',
      })
    const { organizationId, origin } = this.#header
    return {
      ok: true,
      organizationId,
      origin,
      events: this.#events,
      checkpoints: this.#checkpoints,
      lastCheckpoint: { size: this.#last.size, root: encodeBase64(this.#last.root) },
      verifier: verifierAt(this.#chain, this.#signer),
      handovers: this.#signer - this.#trusted,
      verifierFrom: this.#verifierFrom,
    }
  }

  /** What comes first in the file: the finding, or a fault met before it whose exact nature was still open. */
  first(finding: AuditFileProblem): AuditFileProblem {
    const open = [
      ...this.#mismatches.slice(0, 1).map(({ seq, line }) => ({
        ok: false as const,
        line,
        seq,
        problem: `Event ${seq} was altered: its text does not hash to the leaf beside it.`,
      })),
      ...(this.#absence === undefined ? [] : [missing(this.#absence)]),
    ]
    return [...open, finding].reduce((first, other) => (other.line <= first.line ? other : first))
  }

  #readEvent({ seq, leaf: encoded, body }: Extract<AuditFileLine, { kind: 'event' }>, line: number): void {
    if (seq < this.#events) throw new Fault({ line, seq, problem: `Event ${seq} stands a second time.` })
    if (seq > this.#events) {
      this.#absence = { seq: this.#events, line, found: seq }
      return
    }
    const leaf = this.#decodeLeaf(encoded, seq, line)
    const bodyHash = leafHash(utf8(body))
    if (equalBytes(leaf, bodyHash)) {
      const own = identityOf(body)
      if (own?.organizationId !== this.#header.organizationId)
        throw new Fault({ line, seq, problem: `Event ${seq} does not belong to this organization.` })
      if (own.seq !== seq) this.#absence = { seq, line, found: own.seq }
    } else {
      // Which of the two was altered is known at the next checkpoint.
      this.#mismatches.push({ seq, line, bodyHash })
    }
    this.#queue.push(leaf)
    this.#events += 1
  }

  async #readCheckpoint(note: string, line: number): Promise<void> {
    const { signer, ...checkpoint } = await refusing(line, () => verifyChainedCheckpoint(note, this.#chain))
    const { size, root } = checkpoint
    // Whoever stole a key after it was retired: what it signs behind its successor is not the platform's word any more.
    if (signer < this.#signer)
      throw new Fault({
        line,
        problem: `Line ${line}: the checkpoint is signed by a key that had been succeeded before.`,
      })
    if (size < this.#sealed.size)
      throw new Fault({ line, problem: `The checkpoint of ${size} events stands behind a larger one.` })
    if (size > this.#events)
      throw new Fault({
        line,
        seq: this.#events,
        problem: `Event ${this.#events} is missing: the checkpoint covers ${size} events, ${this.#events} come before it.`,
      })
    const covered = this.#mismatches.filter(({ seq }) => seq < size)
    const tree = this.#grow(size, [])
    const [altered] = covered
    if (!equalBytes(tree.root(), root)) throw this.#verdict(this.#explain(size, root, covered, line))
    if (altered !== undefined) throw this.#verdict(alteredBody(altered))
    this.#queue.drop(size - this.#sealed.size)
    this.#sealed = tree
    this.#last = checkpoint
    this.#signer = signer
    this.#checkpoints += 1
  }

  /** A checkpoint has settled what the open mismatches were. */
  #verdict(finding: Finding): Fault {
    this.#mismatches = []
    return new Fault(finding)
  }

  /** The tree of the first `size` events, with the body's own hash in the place of the given leaves. */
  #grow(size: number, replaced: readonly Mismatch[]): Frontier {
    const bodies = new Map(replaced.map(({ seq, bodyHash }) => [seq, bodyHash]))
    const tree = this.#sealed.copy()
    for (let at = 0; tree.size < size; at++) tree.push(bodies.get(tree.size) ?? this.#queue.at(at))
    return tree
  }

  /** The leaf hashes of the file do not lead to the signed root: either one of them was altered, or events with them. */
  #explain(size: number, root: Uint8Array, covered: readonly Mismatch[], line: number): Finding {
    // Both are genuinely signed: the operator showed different logs to different readers.
    if (size === this.#sealed.size)
      return { line, problem: `Line ${line}: two signed checkpoints of ${size} events contradict each other.` }
    const [first] = covered
    if (first !== undefined && equalBytes(this.#grow(size, covered).root(), root))
      return {
        line: first.line,
        seq: first.seq,
        problem: `The leaf hash of event ${first.seq} was altered; the event itself is as it was signed.`,
      }
    const range = { from: this.#sealed.size, to: size - 1 }
    const where = range.from === range.to ? `Event ${range.from}` : `An event from ${range.from} to ${range.to}`
    if (first !== undefined)
      return {
        line: first.line,
        seq: first.seq,
        range,
        problem: `Event ${first.seq} was altered together with leaf hashes between ${range.from} and ${range.to}.`,
      }
    return {
      line,
      ...(range.from === range.to ? { seq: range.from } : {}),
      range,
      problem: `${where} was altered together with its leaf hash: the events do not lead to the signed checkpoint.`,
    }
  }

  #decodeLeaf(encoded: string, seq: number, line: number): Uint8Array {
    try {
      const leaf = decodeBase64(encoded)
      if (leaf.length === 32) return leaf
    } catch (error) {
      if (!(error instanceof TrustError)) throw error
    }
    throw new Fault({ line, seq, problem: `The leaf hash of event ${seq} is not base64 of 32 bytes.` })
  }

  #searchFor(absence: Absence, entry: Extract<AuditFileLine, { kind: 'event' }>, line: number): void {
    const { seq, found } = absence
    if (entry.seq !== seq && identityOf(entry.body)?.seq !== seq) return
    throw new Fault({
      line: absence.line,
      seq,
      problem: `Event ${seq} is out of order: it stands on line ${line}, behind event ${found}.`,
    })
  }
}

/** The leaf hashes are the signed ones, so a body that does not hash to its leaf is what was altered. */
const alteredBody = ({ seq, line }: Mismatch): Finding => ({
  line,
  seq,
  problem: `Event ${seq} was altered: its text does not hash to the signed leaf.`,
})

const missing = ({ seq, line, found }: Absence): AuditFileProblem => ({
  ok: false,
  line,
  seq,
  problem: `Event ${seq} is missing: event ${found} stands in its place.`,
})

/** The organization and sequence number a body claims for itself; undefined when it is not an event's body. */
function identityOf(body: string): { organizationId: string; seq: number } | undefined {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || !('seq' in value) || !('organizationId' in value)) return undefined
  const { organizationId, seq } = value
  return typeof organizationId === 'string' && typeof seq === 'number' ? { organizationId, seq } : undefined
}

function parseJson(text: string, line: number): unknown {
  if (text.length > MAX_LINE_LENGTH)
    throw new Fault({ line, problem: `Line ${line} is longer than ${MAX_LINE_LENGTH} characters.` })
  try {
    return JSON.parse(text)
  } catch {
    throw new Fault({ line, problem: `Line ${line} is not complete JSON.` })
  }
}

async function refusing<T>(line: number, check: () => Promise<T>): Promise<T> {
  try {
    return await check()
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    throw new Fault({ line, problem: `Line ${line}: ${error.message}.` })
  }
}
