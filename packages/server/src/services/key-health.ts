import type { OrganizationId } from '@redoubt/contract'
import { systemTimers, type Timers } from '@redoubt/trust'
import { type HealthAlert, raiseHealthAlert, settleHealthAlert } from '../modules/alerts/index.ts'
import { isRecorded } from '../modules/audit/index.ts'
import { operatorOrganization } from '../modules/identity/index.ts'
import type { Database } from '../platform/database.ts'
import { describe } from '../platform/http.ts'
import type { SigningUse } from '../platform/keeper-protocol.ts'
import type { Kernel, Stop } from '../platform/kernel.ts'
import type { LiveFeed } from '../platform/live.ts'
import type { SigningKeyHealth } from '../platform/signing-keys.ts'
import { inSystem } from '../platform/tenant-tx.ts'
import { type AuditRecord, type Work, work } from '../platform/work.ts'

/** How long what could not be written waits for the next attempt. */
export const tellAgainMs = 60_000
/** More than comes together before somebody sets a platform up; beyond it the oldest are forgotten. */
const maxWaiting = 100

/** Writes one thing down in the operator's organization. */
type Telling = (unit: Work) => Promise<void>

/**
 * Watches the signing keys as the worker holds them, and tells the operator of what is wrong with them (KEY-5, ALM-1): an
 * alert in the operator's organization, an audit event, and the live topic `system.health`. What cannot be written, because
 * the database is away or nobody has set the platform up yet, is written later. @returns ends the watch
 */
export function watchKeyHealth(
  kernel: Kernel,
  database: Database,
  live: LiveFeed,
  timers: Timers = systemTimers,
): Stop {
  const { clock, log } = kernel
  const keys = Object.values(kernel.signing)
  const known = new Map<SigningUse, SigningKeyHealth>()
  let wasAway = false
  const waiting: Telling[] = []
  let running: Promise<void> = Promise.resolve()
  let stopped = false
  let cancel = () => {}

  function look(health: SigningKeyHealth): void {
    const before = known.get(health.use)
    known.set(health.use, health)
    const isAway = [...known.values()].some((each) => each.isAway)
    const news: Telling[] = []
    if (isAway !== wasAway) news.push(isAway ? outageBegan(clock.now()) : outageEnded(clock.now()))
    wasAway = isAway
    if (before?.version !== health.version && health.version > 1) news.push(rotated(health))
    if (health.isOverAge !== (before?.isOverAge ?? false))
      news.push(health.isOverAge ? degraded(health) : healed(health))
    if (news.length === 0) return
    waiting.push(...news)
    waiting.splice(0, waiting.length - maxWaiting)
    tellSoon()
  }

  function tellSoon(): void {
    cancel()
    running = running.then(tellAll)
  }

  async function tellAll(): Promise<void> {
    try {
      const operator = (await inSystem(database, 'authenticate', operatorOrganization)) as OrganizationId | null
      if (operator === null) return
      const actor = { kind: 'service', id: 'worker', name: 'worker' } as const
      for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
        await work(database, { organizationId: operator, actor, clock, requestId: null }, next)
        if (waiting[0] === next) waiting.shift()
      }
    } catch (error) {
      log.error({ err: describe(error) }, 'the operator could not be told how the keys are, and will be in a minute')
      if (!stopped) cancel = timers.after(tellAgainMs, tellSoon)
    }
  }

  const offs = [
    ...keys.map((key) => key.onHealth(look)),
    live.onNotice(({ topics }) => {
      // Somebody may have set the platform up just now.
      if (waiting.length > 0 && topics.includes('audit')) tellSoon()
    }),
  ]
  for (const key of keys) look(key.health())
  return async () => {
    stopped = true
    for (const off of offs) off()
    cancel()
    await running
  }
}

const keeper = { kind: 'keeper', id: 'keeper' } as const
const keyOf = ({ kid }: SigningKeyHealth) => ({ kind: 'key', id: kid })
const outage = 'keeper-outage'
const overAge = (use: SigningUse) => `key-degraded-${use}`

const outageBegan = (since: Date): Telling =>
  raises(
    {
      subject: outage,
      severity: 'high',
      title: 'The keeper cannot be reached: signing keys are not rotated',
      description:
        'The platform goes on with the keys in memory; a service that stops now does not start again. Look at the keeper and at the store of its secrets: redoubt keys doctor.',
      facts: { since: since.toISOString() },
    },
    { action: 'key.outage', target: keeper, outcome: 'failed', facts: { since: since.toISOString() } },
  )

const outageEnded = (at: Date): Telling =>
  settles(outage, `The keeper answers again since ${at.toISOString()}.`, {
    action: 'key.recovered',
    target: keeper,
    facts: { from: 'OUTAGE', at: at.toISOString() },
  })

function degraded(health: SigningKeyHealth): Telling {
  const { use, version, ageMs } = health
  const days = Math.floor(ageMs / (24 * 3_600_000))
  return raises(
    {
      subject: overAge(use),
      severity: 'critical',
      title: `The ${use} key is ${days} days old and was not rotated`,
      description:
        'Its rotations are blocked for longer than KEY_MAX_AGE allows; it signs on. Mend what blocks them, then rotate it: redoubt keys doctor, redoubt keys rotate.',
      facts: { key: use, version, age_days: days },
    },
    { action: 'key.degraded', target: keyOf(health), outcome: 'failed', facts: { key: use, version, days } },
  )
}

const healed = (health: SigningKeyHealth): Telling =>
  settles(overAge(health.use), `The ${health.use} key was rotated: version ${health.version} signs.`, {
    action: 'key.recovered',
    target: keyOf(health),
    facts: { from: 'DEGRADED', key: health.use, version: health.version },
  })

/** Every worker sees a rotation, and at its start one that happened meanwhile: the first of them writes it down. */
const rotated =
  (health: SigningKeyHealth): Telling =>
  async (unit) => {
    if (await isRecorded(unit.tx, 'key.rotated', health.kid)) return
    const { use, version } = health
    unit.record({ action: 'key.rotated', target: keyOf(health), facts: { key: use, version } })
    unit.live('system.health')
  }

/** An alert, and its event unless another worker has raised it already. */
const raises =
  (alert: HealthAlert, event: AuditRecord): Telling =>
  async (unit) => {
    if (await raiseHealthAlert(unit, alert)) unit.record(event)
  }

/** The end of an alert. That it is over is recorded also when somebody has dismissed it before. */
const settles =
  (subject: string, because: string, event: AuditRecord): Telling =>
  async (unit) => {
    await settleHealthAlert(unit, subject, because)
    unit.record(event)
  }
