import { type AnyAttack, NotShown, Stopped } from './attack.ts'
import type { Part, Terrain } from './terrain.ts'

/**
 * - `stopped`: the control showed that the attack would work, and the defence stopped it.
 * - `worked`: the attack succeeded.
 * - `not shown`: the control failed, so the refusal proves nothing.
 * - `unclear`: neither success nor the expected refusal.
 */
export type Outcome = 'stopped' | 'worked' | 'not shown' | 'unclear'

export type Result = {
  readonly id: string
  readonly actor: string
  readonly title: string
  readonly requirement: string
  readonly stopped: boolean
  readonly outcome: Outcome
  /** What the control showed, why it failed, or why there can be none. */
  readonly control: string
  /** The answer that stopped it; null when nothing did. */
  readonly stoppedBy: string | null
  /** What the attacker got, or what happened instead of a verdict; null when it was stopped. */
  readonly evidence: string | null
}
export type LeftOut = { readonly id: string; readonly title: string; readonly needs: readonly Part[] }
export type Drill = { readonly results: readonly Result[]; readonly leftOut: readonly LeftOut[] }

/** An attack that hangs is no verdict. */
const patienceMs = 180_000

/**
 * Runs the attacks one after the other and judges each by what happened. Those that need a part which the terrain does
 * not have are left out and listed.
 * @param onResult called as each is judged
 * @param stopping true once nothing more is to be attacked
 */
export async function runDrill(
  attacks: readonly AnyAttack[],
  terrain: Terrain,
  onResult: (result: Result) => void = () => undefined,
  stopping: () => boolean = () => false,
): Promise<Drill> {
  const missing = ({ needs }: AnyAttack) => needs.filter((part) => terrain[part] === undefined)
  const possible = attacks.filter((each) => missing(each).length === 0)
  const leftOut = attacks
    .filter((each) => missing(each).length > 0)
    .map((each) => ({ id: each.id, title: each.title, needs: missing(each) }))
  const results: Result[] = []
  for (const each of possible) {
    if (stopping()) break
    const result = await judge(each, terrain)
    results.push(result)
    onResult(result)
  }
  return { results, leftOut }
}

/** The verdict on one attack. A failed control is reported first: behind it a refusal may have any reason. */
export async function judge(written: AnyAttack, terrain: Terrain): Promise<Result> {
  const { id, actor, title, requirement } = written
  const control = await shownBy(written, terrain)
  const met = await metBy(written, terrain)
  const outcome = met.outcome === 'stopped' && !control.shown ? 'not shown' : met.outcome
  return {
    id,
    actor,
    title,
    requirement,
    stopped: outcome === 'stopped',
    outcome,
    control: control.words,
    stoppedBy: met.outcome === 'stopped' ? met.words : null,
    evidence: met.outcome === 'stopped' ? null : met.words,
  }
}

async function shownBy({ control }: AnyAttack, terrain: Terrain): Promise<{ shown: boolean; words: string }> {
  if (typeof control !== 'function') return { shown: true, words: `none: ${control.impossible}` }
  try {
    return { shown: true, words: await patiently(control(terrain)) }
  } catch (error) {
    return { shown: false, words: error instanceof NotShown ? error.message : `failed: ${wordsOf(error)}` }
  }
}

async function metBy({ attack }: AnyAttack, terrain: Terrain): Promise<{ outcome: Outcome; words: string }> {
  try {
    return { outcome: 'worked', words: await patiently(attack(terrain)) }
  } catch (error) {
    if (error instanceof Stopped) return { outcome: 'stopped', words: error.message }
    return { outcome: 'unclear', words: wordsOf(error) }
  }
}

async function patiently<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no verdict within ${patienceMs / 1000} s`)), patienceMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
