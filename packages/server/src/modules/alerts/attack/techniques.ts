/**
 * MITRE ATT&CK ids in vendor text. An id is judged by its shape alone: which techniques exist changes twice a year
 * and is intelligence, not code.
 */

const TECHNIQUE = /(?<![A-Za-z0-9])T\d{4}(?:\.\d{3})?(?![A-Za-z0-9_]|\.\d)/g
const TACTIC = /(?<![A-Za-z0-9])TA\d{4}(?![A-Za-z0-9_]|\.\d)/g
const WHOLE_TECHNIQUE = /^T\d{4}(?:\.\d{3})?$/

const MAX_IDS = 100
const MAX_NODES = 20_000

/** True for `T1059` and `T1059.001`. */
export function isTechniqueId(value: string): boolean {
  return WHOLE_TECHNIQUE.test(value)
}

/**
 * Technique ids in a text, sorted and unique; `TA0006:T1098.001`, `attack.t1110` (rule tags) and
 * `/techniques/T1547/001` (links) included.
 */
export function findTechniques(text: string): string[] {
  const tagged = text.includes('attack.t') ? text.replace(/attack\.t(?=\d{4})/g, 'attack T') : text
  const plain = tagged.includes('/') ? tagged.replace(/(?<=T\d{4})\/(?=\d{3}(?!\d))/g, '.') : tagged
  return [...new Set(plain.match(TECHNIQUE) ?? [])].sort().slice(0, MAX_IDS)
}

/** Tactic ids (`TA0006`) in a text, sorted and unique. */
export function findTactics(text: string): string[] {
  return [...new Set(text.match(TACTIC) ?? [])].sort().slice(0, MAX_IDS)
}

/** Technique ids anywhere in a payload, its keys included; bounded in nodes and results. */
export function techniquesIn(payload: unknown): string[] {
  const found = new Set<string>()
  const pending: unknown[] = [payload]
  for (let nodes = 0; pending.length > 0 && nodes < MAX_NODES && found.size < MAX_IDS; nodes += 1) {
    const value = pending.pop()
    if (typeof value === 'string') {
      if (/[Tt]\d/.test(value)) for (const id of findTechniques(value)) found.add(id)
    } else if (Array.isArray(value)) {
      for (let index = 0; index < value.length && pending.length < MAX_NODES; index += 1) pending.push(value[index])
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        if (pending.length >= MAX_NODES) break
        if (key.includes('T1') || key.includes('T0')) for (const id of findTechniques(key)) found.add(id)
        pending.push(inner)
      }
    }
  }
  return [...found].sort().slice(0, MAX_IDS)
}
