import { keyStateAt } from '@redoubt/trust'
import { type KeeperAnswer, serviceIdentities } from '../platform/keeper-protocol.ts'
import { EmbeddedStore } from './embedded-store.ts'
import type { Keeper } from './keeper.ts'
import { serviceLine, signingLines } from './kept-lines.ts'
import { readLine } from './key-lines.ts'
import { rotationRules } from './rotation-rules.ts'

/** Ages, states and what comes next of every key; no key material. */
export async function keyStatus(
  keeper: Pick<Keeper, 'master' | 'ring' | 'store' | 'desk'>,
  now: Date,
): Promise<KeeperAnswer<'keys.status'>> {
  const keys: KeeperAnswer<'keys.status'>['keys'] = [
    shownLine('kek', keeper.ring.versions(), rotationRules.kek.periodMs, now),
  ]
  if (keeper.store instanceof EmbeddedStore) {
    const versions = keeper.store.keys().map((key) => ({ ...key, activeAt: key.createdAt, endsAt: null }))
    keys.push(shownLine('secrets', versions, rotationRules.dataKey.periodMs, now))
  }
  for (const [use, spec] of Object.entries(signingLines)) {
    const line = await readLine(keeper.store, spec, now)
    const kids = new Map(line.map(({ version, material }) => [version, material.kid]))
    keys.push(shownLine(use, line, spec.rule.periodMs, now, kids))
  }
  for (const service of serviceIdentities) {
    const spec = serviceLine(service)
    keys.push(shownLine(`service:${service}`, await readLine(keeper.store, spec, now), spec.rule.periodMs, now))
  }
  keys.push(shownLine('authority', await keeper.desk.line(), rotationRules.authority.periodMs, now))
  const { provider, id } = keeper.master
  return {
    master: { provider, id },
    store: {
      kind: keeper.store.kind,
      reachable: await keeper.store.reachable(),
      secrets: (await keeper.store.list('')).length,
    },
    keys,
  }
}

type Times = { version: number; createdAt: Date; activeAt: Date; endsAt: Date | null }
function shownLine(
  key: string,
  line: readonly Times[],
  periodMs: number,
  now: Date,
  kids: ReadonlyMap<number, string> = new Map(),
): KeeperAnswer<'keys.status'>['keys'][number] {
  const newest = line.reduce((a, b) => (b.version > a.version ? b : a), line[0] as Times)
  return {
    key,
    versions: line
      .toSorted((a, b) => b.version - a.version)
      .map((each) => ({
        version: each.version,
        kid: kids.get(each.version) ?? null,
        state: keyStateAt(line, each, now),
        createdAt: each.createdAt.toISOString(),
        activeAt: each.activeAt.toISOString(),
        endsAt: each.endsAt?.toISOString() ?? null,
      })),
    nextRotationAt: new Date(newest.createdAt.getTime() + periodMs).toISOString(),
  }
}
