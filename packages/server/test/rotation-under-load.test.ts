import { randomUUID, randomUUIDv7 } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { OrganizationId } from '@redoubt/contract'
import {
  createSignature,
  fieldKeyVersion,
  type KeySet,
  NIL_ORGANIZATION,
  type SigningKey,
  signWebhook,
  verifySignature,
} from '@redoubt/trust'
import { expect, test } from 'vitest'
import { SourceDoor } from '../src/modules/alerts/ingestion/source-door.ts'
import { keyTasks, sweepKeys } from '../src/modules/keys/index.ts'
import { rotateDataKeys } from '../src/modules/keys/jobs.ts'
import { createDispatch, type Dispatch, type Operation } from '../src/platform/dispatch.ts'
import { encryptedColumns, placeOf, webhookSecretOf } from '../src/platform/encrypted-columns.ts'
import { startJobs } from '../src/platform/jobs.ts'
import { LiveFeed } from '../src/platform/live.ts'
import type { Credentials } from '../src/platform/operation.ts'
import { composeGuards, composeOperations } from '../src/services/operations.ts'
import { startTestPlatform, type TestPlatform } from './harness.ts'

const password = 'three unrelated words'
const nobody: Credentials = { kind: 'none' }
const stepMs = 15_000
/** The longest of all windows: a plan key's lead and what its plans outlive it, and the turn of the data keys. */
const windowSteps = (20 * 60_000) / stepMs

test('every key turns twice under load, and no request is lost', { timeout: 240_000 }, async () => {
  const t = await startTestPlatform()
  const organization = await t.organization()
  const admin = await t.member(organization)
  await t.startSequencer()
  const { kernel: worker, login } = t.parts.redoubt_worker
  const stopJobs = await startJobs(worker, login, keyTasks(worker, t.databases.redoubt_worker), { concurrency: 1 })
  t.onStop(stopJobs)
  const call = await twoDoors(t)

  const load = new Load()
  const email = `${randomUUID()}@example.org`
  await accept((await call('members.invite', { email, role: 'user' }, admin.token)).link as string, call)
  load.client('signs in, and reads with the token on another service', async () => {
    const tokens = await call('auth.login', { email, password })
    const me = await call('auth.me', {}, undefined, tokens.accessToken as string)
    expect(me).toMatchObject({ user: { email } })
  })
  let held = await call('auth.login', { email, password })
  let heldSince = t.clock.now().getTime()
  load.client('keeps a token for ten minutes, and exchanges it', async () => {
    if (t.clock.now().getTime() - heldSince > 10 * 60_000) {
      held = await call('auth.refresh', { refreshToken: held.refreshToken })
      heldSince = t.clock.now().getTime()
    }
    const { items } = await call('sessions.list', {}, undefined, held.accessToken as string)
    for (const { ip } of items as { ip: string }[]) expect(ip).toBe('127.0.0.1')
  })
  load.client('reads the members', async () => {
    const { items } = await call('members.list', {}, admin.token)
    expect((items as { email: string }[]).map((each) => each.email)).toContain(email)
  })
  let joined = 0
  load.client('invites, looks at the invitation, and sometimes joins', async () => {
    const invited = `${randomUUID()}@example.org`
    const { link } = await call('members.invite', { email: invited, role: 'viewer' }, admin.token)
    const token = new URL(link as string).searchParams.get('token')
    expect(await call('auth.invitation', { token })).toMatchObject({ email: invited, known: false })
    if (++joined % 20 === 0) await accept(link as string, call)
  })
  const created = await t.call(admin, 'sources.create', { name: 'S', slug: 'load', type: 'generic', tlp: 'AMBER' })
  const door = new SourceDoor(t.parts.redoubt_ingestion.kernel, t.databases.redoubt_ingestion)
  load.client('delivers signed webhooks', async () => {
    const body = Buffer.from(randomUUID())
    const headers = signWebhook({ id: randomUUID(), now: t.clock.now(), body }, created.credentials.webhookSecret)
    expect((await door.bySignature(created.source.id, { ...headers }, body)).id).toBe(created.source.id)
  })
  const turning = await t.call(admin, 'sources.create', { name: 'T', slug: 'turning', type: 'generic', tlp: 'AMBER' })
  let secret = ''
  load.client('changes a sealed secret while it is sealed anew', async () => {
    secret = (await call('sources.rotate', { id: turning.source.id }, admin.token)).webhookSecret as string
    await pause(20)
  })
  for (const [use, signer, verifier] of [
    ['access', t.parts.redoubt_web, t.parts.redoubt_api],
    ['plan', t.parts.redoubt_workflow, t.parts.redoubt_api],
    ['checkpoint', t.parts.redoubt_worker, t.parts.redoubt_api],
  ] as const) {
    load.client(`signs with the ${use} key, and verifies on another service`, async () => {
      requireVerified(signer.kernel.signing[use].active(), verifier.kernel.signing[use])
      await pause(2)
    })
  }

  const rounds = 2
  for (let round = 0; round < rounds; round++) {
    for (const key of ['kek', 'secrets', 'access', 'plan', 'checkpoint'] as const) {
      await t.keeper.rotate(key)
      await pause(20)
    }
    await rotateDataKeys(worker, t.databases.redoubt_worker, organization.id, () => true)
    for (let step = 0; step < windowSteps; step++) {
      t.clock.advance(stepMs)
      if (step % 8 === 7) await sweepKeys(worker, t.databases.redoubt_worker)
      await pause(40)
    }
    await expect.poll(() => queued(t), { timeout: 30_000 }).toBe(0)
    t.clock.advance(4 * 60_000)
    await sweepKeys(worker, t.databases.redoubt_worker)
    await expect.poll(() => queued(t), { timeout: 30_000 }).toBe(0)
  }
  await load.end()
  expect(load.failures).toEqual([])
  for (const [client, times] of load.done) expect(times, client).toBeGreaterThan(20)

  const { rows: keys } = await t.admin.query<{ version: number; kek: number }>(
    'select distinct version, kek from data_keys',
  )
  expect(keys).toEqual([{ version: 1 + rounds, kek: 1 + rounds }])
  expect(t.keeper.ring.versions().map(({ version }) => version)).toEqual([1 + rounds])
  const { rows: ended } = await t.admin.query('select distinct state from key_jobs')
  expect(ended).toEqual([{ state: 'done' }])
  expect(await versionsOf(t, organization.id)).toEqual(new Set([1 + rounds]))
  const { rows } = await t.admin.query('select webhook_secret from sources where id = $1', [turning.source.id])
  const place = webhookSecretOf(organization.id, turning.source.id)
  expect(await t.kernel.fields.open(place, rows[0].webhook_secret)).toBe(secret)
  await t.stop()
})

type Answer = Record<string, unknown>
type CallDoor = (name: string, input: unknown, browser?: string, bearer?: string) => Promise<Answer>

/** `web` and `api` in turn, each with its own keys, pool and cache, as two processes have them. */
async function twoDoors(t: TestPlatform): Promise<CallDoor> {
  const doors: { readonly operations: readonly Operation[]; readonly dispatch: Dispatch }[] = []
  for (const role of ['redoubt_web', 'redoubt_api'] as const) {
    const { kernel, database } = t.parts[role]
    const live = new LiveFeed(database, kernel.log)
    await live.start()
    t.onStop(async () => live.stop())
    const operations = composeOperations(kernel, database, t.access)
    doors.push({
      operations,
      dispatch: createDispatch(kernel, database, composeGuards(kernel, database, live, t.access)),
    })
  }
  let turn = 0
  const { rows } = await t.admin.query<{ id: OrganizationId }>('select id from organizations limit 1')
  return async (name, input, browser, bearer) => {
    const door = doors[turn++ % 2] as (typeof doors)[number]
    const credentials: Credentials = browser
      ? { kind: 'browser', token: browser }
      : bearer
        ? { kind: 'bearer', token: bearer }
        : nobody
    return (await door.dispatch(door.operations.find((each) => each.name === name) as Operation, {
      requestId: randomUUIDv7(),
      address: '127.0.0.1',
      userAgent: 'load',
      credentials,
      organizationId: browser ? (rows[0]?.id ?? null) : null,
      input,
    })) as Answer
  }
}

const accept = (link: string, call: CallDoor) =>
  call('auth.acceptInvitation', { token: new URL(link).searchParams.get('token'), name: 'Somebody', password })

function requireVerified(key: SigningKey, keys: KeySet): void {
  const message = Buffer.from(randomUUID())
  const verifying = keys.find(key.kid)
  if (!verifying || !verifySignature(verifying, message, createSignature(key, message)))
    throw new Error(`the key ${key.kid} is not known to the verifier`)
}

/** Clients that go on without a pause until they are told to end. */
class Load {
  readonly failures: string[] = []
  readonly done = new Map<string, number>()
  readonly #running: Promise<void>[] = []
  #ending = false

  client(what: string, once: () => Promise<void>): void {
    this.done.set(what, 0)
    const run = async () => {
      while (!this.#ending) {
        try {
          await once()
          this.done.set(what, (this.done.get(what) ?? 0) + 1)
        } catch (error) {
          this.failures.push(`${what}: ${(error as Error).message} (${((error as Error).cause as Error)?.message})`)
          await pause(50)
        }
        await pause(0)
      }
    }
    this.#running.push(run())
  }

  async end(): Promise<void> {
    this.#ending = true
    await Promise.all(this.#running)
  }
}

async function queued(t: TestPlatform): Promise<number> {
  const { rows } = await t.admin.query<{ jobs: number }>(
    `select count(*) as jobs from graphile_worker.jobs where task_identifier like 'keys.%'`,
  )
  return rows[0]?.jobs ?? 0
}

/** Under which versions anything lies, after opening all of it. */
async function versionsOf(t: TestPlatform, organizationId: string): Promise<Set<number>> {
  const versions = new Set<number>()
  for (const column of encryptedColumns) {
    const index = column.index === null ? 'null::bytea' : column.index
    const { rows } = await t.admin.query<{ id: string; sealed: Buffer; index: Buffer | null }>(
      `select id, ${column.sealed} as sealed, ${index} as index from ${column.table} where ${column.sealed} is not null`,
    )
    const owner = column.scope === 'installation' ? NIL_ORGANIZATION : organizationId
    await t.kernel.fields.openMany(
      owner,
      column.dataClass,
      rows.map(({ id, sealed }) => ({ place: placeOf(column, owner, id), sealed })),
    )
    for (const { sealed, index: bytes } of rows) {
      versions.add(fieldKeyVersion(sealed))
      if (bytes) versions.add(bytes.readUInt32BE())
    }
  }
  return versions
}
