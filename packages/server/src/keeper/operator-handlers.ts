import { randomBytes } from 'node:crypto'
import { Secret } from '@redoubt/trust'
import { z } from 'zod'
import type { Clock } from '../platform/clock.ts'
import type { Config } from '../platform/config.ts'
import { identityPath } from '../platform/identity-file.ts'
import { rotatableKeys, serviceIdentities } from '../platform/keeper-protocol.ts'
import type { AuditRecord } from '../platform/work.ts'
import { parse } from './admin-input.ts'
import type { AdminHandlers } from './admin-socket.ts'
import { enrolService } from './enrolment.ts'
import type { Keeper } from './keeper.ts'
import { KeeperError } from './keeper-error.ts'
import { keyStatus } from './key-status.ts'
import { isManaged, renewedBy } from './policy.ts'
import { protectionChanged, protectionHandlers } from './protection-handlers.ts'
import { SecretPath } from './secret-store.ts'

const Input = {
  list: z.strictObject({ prefix: z.string().max(200).default('') }),
  write: z.strictObject({
    path: SecretPath,
    value: z.string().min(1).max(65_536),
    expectedVersion: z.int().min(0).nullable().default(null),
  }),
  remove: z.strictObject({ path: SecretPath }),
  rotate: z.strictObject({ key: z.enum(rotatableKeys) }),
  enrol: z.strictObject({ service: z.enum(serviceIdentities), to: z.string().max(1000).optional() }),
  deny: z.strictObject({ subject: z.string().min(1).max(2048), reason: z.string().min(1).max(200).nullable() }),
}

/** What the keeper alone cannot do. */
export type OperatorMeans = {
  readonly clock: Clock
  /** Told of each change, for the audit log. */
  acted(event: AuditRecord): void
  /** Has every data key rotated by the worker. */
  rotateData(): Promise<void>
}

/**
 * What the operator of this machine may do, with or without a running platform. No value of a secret is ever answered.
 */
export function operatorHandlers(
  keeper: Keeper,
  config: Pick<Config, 'home'>,
  { clock, acted, rotateData }: OperatorMeans,
) {
  const on = (action: string, kind: string, id: string, facts: AuditRecord['facts'] = {}) =>
    acted({ action, target: { kind, id }, facts: { ...facts, by: 'operator of the machine' } })
  return {
    status: async () => ({ state: 'open' as const }),
    'keys.status': () => keyStatus(keeper, clock.now()),
    async 'keys.rotate'(input: unknown) {
      const { key } = parse(Input.rotate, input)
      await (key === 'data' ? rotateData() : keeper.rotate(key))
      on('key.rotated', 'key', key)
      return { key }
    },
    /** Wraps something and opens it again: whether the holder of the master key answers, and is still the same. */
    async 'master.check'() {
      const { provider, id } = keeper.master
      const asked = performance.now()
      const probe = randomBytes(32)
      const back = await keeper.master.unwrap(await keeper.master.wrap(new Secret(probe)))
      if (!back.reveal().equals(probe)) throw new KeeperError('master_refuses', 'The master key does not open its own.')
      return { provider, id, milliseconds: Math.round(performance.now() - asked) }
    },
    ...protectionHandlers(keeper, config, (kind) => acted(protectionChanged(kind))),
    async 'secret.list'(input: unknown) {
      const { prefix } = parse(Input.list, input)
      const all = await keeper.store.list('')
      const below = all.filter((each) => each.path.startsWith(prefix))
      return below.map((each) => ({ ...each, renewedBy: isManaged(each.path) ? renewedBy(each.path) : null }))
    },
    async 'secret.write'(input: unknown) {
      const { path: at, value, expectedVersion } = parse(Input.write, input)
      const seen = expectedVersion ?? (await keeper.store.read(at))?.version ?? 0
      const version = await keeper.setByHand(at, new Secret(value), seen)
      on('secret.set', 'secret', at, { version })
      return { version }
    },
    async 'secret.remove'(input: unknown) {
      const { path: at } = parse(Input.remove, input)
      const removed = await keeper.removeByHand(at)
      if (removed) on('secret.removed', 'secret', at)
      return { removed }
    },
    'services.list': () => keeper.desk.list(),
    'services.denials': () => keeper.desk.denials(),
    async 'services.enrol'(input: unknown) {
      const { service, to } = parse(Input.enrol, input)
      const file = to ?? identityPath(config.home, service)
      await enrolService(keeper, service, file, clock.now())
      on('service.enrolled', 'service', service)
      return { file }
    },
    async 'services.deny'(input: unknown) {
      const { subject, reason } = parse(Input.deny, input)
      await keeper.deny(subject, reason)
      on(reason === null ? 'service.admitted' : 'service.denied', 'service', subject)
      return { subject }
    },
  } satisfies AdminHandlers
}
