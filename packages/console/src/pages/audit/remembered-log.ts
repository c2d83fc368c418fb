import {
  encodeBase64,
  parseVerifierKey,
  verifyCheckpoint,
  verifyConsistency,
  verifyLogHead,
} from '@redoubt/trust/proof'
import type { Api } from '../../api/client.ts'

/**
 * What this browser has verified of a log: the key it met first (trust on first use), or the one that this key's signed
 * successions have led to since, and the longest head it has seen.
 * A platform that rewrote the log would have to answer for the older head, which it cannot change here.
 */
type Memory = {
  readonly verifier: string
  readonly size: number
  readonly root: string
  readonly note: string
  readonly since: string
}

export type LogCheck =
  | { readonly state: 'empty' }
  | {
      readonly state: 'good'
      readonly size: number
      readonly at: string | null
      readonly grewFrom: number | null
      readonly since: string
      readonly verifier: string
    }
  | { readonly state: 'bad'; readonly problem: string }

const keyOf = (origin: string) => `redoubt.log.${origin}`

export function rememberedVerifier(origin: string): string | undefined {
  return recall(origin)?.verifier
}

/** Fetches the newest checkpoint, verifies its signature with the remembered key, and that it extends the remembered head. */
export async function checkLog({ client }: Api): Promise<LogCheck> {
  const head = await client.audit.checkpoint.query({})
  if (head.note === null) return { state: 'empty' }
  const memory = recall(head.origin)
  try {
    const { note, origin } = head
    const pinned = memory ? { trustedVerifier: memory.verifier } : {}
    const { checkpoint, verifier } = await verifyLogHead({ ...head, note }, { origin, ...pinned })
    if (memory) {
      if (checkpoint.size < memory.size) {
        return {
          state: 'bad',
          problem: `The log has become shorter: ${memory.size} events were seen before, now ${checkpoint.size}.`,
        }
      }
      const known = await verifyCheckpoint(memory.note, await parseVerifierKey(memory.verifier), head.origin)
      const { proof } = await client.audit.consistency.query({ from: memory.size, to: checkpoint.size })
      const extendsKnown = await verifyConsistency({
        first: known.size,
        firstRoot: known.root,
        second: checkpoint.size,
        secondRoot: checkpoint.root,
        proof: proof.map((hash) => Uint8Array.fromBase64(hash)),
      })
      if (!extendsKnown)
        return { state: 'bad', problem: 'The log does not contain what this browser has seen of it before.' }
    }
    const since = memory?.since ?? new Date().toISOString()
    const next: Memory = {
      verifier,
      size: checkpoint.size,
      root: encodeBase64(checkpoint.root),
      note: head.note,
      since,
    }
    localStorage.setItem(keyOf(head.origin), JSON.stringify(next))
    return {
      state: 'good',
      size: checkpoint.size,
      at: head.at,
      grewFrom: memory?.size ?? null,
      since,
      verifier,
    }
  } catch (error) {
    if (error instanceof Error && error.name === 'TrustError') return { state: 'bad', problem: `${error.message}.` }
    throw error
  }
}

function recall(origin: string): Memory | null {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(keyOf(origin)) ?? 'null')
    const isMemory =
      typeof stored === 'object' &&
      stored !== null &&
      'verifier' in stored &&
      'size' in stored &&
      'note' in stored &&
      'since' in stored
    return isMemory ? (stored as Memory) : null
  } catch {
    return null
  }
}
