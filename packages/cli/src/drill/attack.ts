import type { Part, Parts, Terrain } from './terrain.ts'

/** Who attacks; the report is grouped by them, in this order. */
export const actors = [
  'outsider',
  'forged token',
  'stolen token',
  'member of another tenant',
  'viewer and the uninvited',
  'browser on a hostile page',
  'poisoned input',
  'ingestion',
  'SQL as a service role',
  'service that was taken over',
  'internal network',
  'stolen database dump',
  'stolen home folder',
  'stolen or forged backup',
  'somebody on the machine',
  'forged or replayed plan',
  'runner’s channel',
  'plan that reaches too far',
  'altered audit log',
] as const
export type Actor = (typeof actors)[number]

/** The defence held. The message is the very answer: status and code, SQLSTATE, TrustError code. */
export class Stopped extends Error {
  override readonly name = 'Stopped'
}

/** The control did not show that the attack would work without its defence, so a refusal would prove nothing. */
export class NotShown extends Error {
  override readonly name = 'NotShown'
}

type Run<T> = (terrain: T) => Promise<string>

/**
 * One attack. `control` does the same with the defence out of the way (entitled, rightly signed, policy switched off)
 * and returns what it got, or throws {@link NotShown}. `attack` returns the evidence of its success, or throws
 * {@link Stopped}; whatever else it throws is no verdict, and counts as a failure of the drill.
 */
export type Attack<P extends Part = Part> = {
  readonly id: string
  readonly actor: Actor
  /** Id of the requirement that the attack is against, such as `TEN-1`. */
  readonly requirement: string
  readonly title: string
  /** What it needs of the installation beside two accounts. */
  readonly needs: readonly P[]
  readonly control: Run<Terrain & Pick<Parts, P>> | { readonly impossible: string }
  readonly attack: Run<Terrain & Pick<Parts, P>>
}

/** An attack of the catalogue. The engine runs it only where every part it needs is there. */
export type AnyAttack = Omit<Attack, 'control' | 'attack'> & {
  readonly control: Run<Terrain> | { readonly impossible: string }
  readonly attack: Run<Terrain>
}

/** Writes an attack down; `needs` decides which parts of the terrain it is handed. */
export function attack<const P extends Part = never>(
  written: Omit<Attack<P>, 'needs'> & { readonly needs?: readonly P[] },
): AnyAttack {
  return { needs: [], ...written } as AnyAttack
}
