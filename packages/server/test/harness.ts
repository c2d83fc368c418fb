import { createHash, randomUUID, randomUUIDv7 } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Contract, OpSpec, OrganizationId, RedoubtContract, Role, UserId } from '@redoubt/contract'
import { createOpaqueToken, hashToken } from '@redoubt/trust'
import pg from 'pg'
import { inject } from 'vitest'
import type { z } from 'zod'
import { wrappedCount } from '../src/keeper/wrapped-count.ts'
import { createAccess } from '../src/modules/access/index.ts'
import { enrichAlerts } from '../src/modules/alerts/index.ts'
import { startSequencer } from '../src/modules/audit/index.ts'
import { checkResponse, createCorrelation } from '../src/modules/cases/index.ts'
import { emailIndexes } from '../src/modules/identity/personal-data.ts'
import { keyTasks } from '../src/modules/keys/index.ts'
import type { Clock } from '../src/platform/clock.ts'
import { configOf, defaultLimits, type Limits } from '../src/platform/config.ts'
import type { Database } from '../src/platform/database.ts'
import { type ServiceRole, serviceRoles } from '../src/platform/database-roles.ts'
import type { Login } from '../src/platform/database-url.ts'
import { createDispatch, type Operation } from '../src/platform/dispatch.ts'
import { accountEmailOf } from '../src/platform/encrypted-columns.ts'
import { runJobsOnce } from '../src/platform/jobs.ts'
import type { Stop } from '../src/platform/kernel.ts'
import { LiveFeed } from '../src/platform/live.ts'
import { createLog } from '../src/platform/log.ts'
import { createMetrics } from '../src/platform/metrics.ts'
import type { Call, Credentials } from '../src/platform/operation.ts'
import type { ServiceLogin } from '../src/platform/prepare-database.ts'
import { withClient } from '../src/platform/prepare-database.ts'
import { composeGuards, composeOperations } from '../src/services/operations.ts'
import { equipAll, keeperOf } from './keeper-of.ts'

/** Time that moves when a test says so; it starts at the real time, since PostgreSQL's clock cannot be turned. */
export class FakeClock implements Clock {
  #now = Date.now()
  now(): Date {
    return new Date(this.#now)
  }
  advance(ms: number): void {
    this.#now += ms
  }
}

export type TestOrganization = { readonly id: OrganizationId; readonly slug: string; readonly name: string }
export type TestPerson = {
  readonly userId: UserId
  readonly name: string
  readonly email: string
  readonly role: Role
  readonly organizationId: OrganizationId
  /** Token of a browser session. */
  readonly token: string
}

type Name<C extends Contract> = { [G in keyof C & string]: `${G}.${keyof C[G] & string}` }[keyof C & string]
export type OperationName = Name<RedoubtContract>
type SpecOf<N extends OperationName> = N extends `${infer G}.${infer O}`
  ? G extends keyof RedoubtContract
    ? O extends keyof RedoubtContract[G]
      ? RedoubtContract[G][O] extends OpSpec
        ? RedoubtContract[G][O]
        : never
      : never
    : never
  : never

export type TestPlatform = Awaited<ReturnType<typeof startTestPlatform>>

const openLimits: Limits = {
  signInPerMinute: 10_000,
  anonymousPerSecond: 10_000,
  expensivePerSecond: 10_000,
  tenantPerSecond: 1_000_000,
  ingestRequestsPerSecond: 100_000,
}

/**
 * The production composition over a database of its own, with a fake clock. No port is open; `services/*` take the same
 * kernel and databases where a test needs HTTP.
 * @param options.limits `'default'` for the production limits
 */
export async function startTestPlatform(options: { limits?: Limits | 'default' } = {}) {
  const clusterHome = inject('clusterHome')
  const host = join(tmpdir(), `redoubt-${createHash('sha256').update(clusterHome).digest('hex').slice(0, 12)}`)
  const database = `test_${randomUUID().replaceAll('-', '')}`
  const address = { host, port: 5432, database }

  const stops: Stop[] = []
  const home = await mkdtemp(join(tmpdir(), 'redoubt-home-'))
  const clock = new FakeClock()
  const config = configOf({
    home,
    databaseUrl: undefined,
    host: '127.0.0.1',
    ports: { web: 0, api: 0, ingestion: 0, runner: 0 },
    runnerApiPort: 0,
    publicUrl: 'http://localhost:3000',
    logLevel: 'silent',
    sessionIdleMs: 12 * 3_600_000,
    sessionAbsoluteMs: 7 * 24 * 3_600_000,
    limits: options.limits === 'default' ? defaultLimits : (options.limits ?? openLimits),
  })
  const { keeper, secrets } = await keeperOf(home, clusterHome, clock)
  const superuser: Login = { ...address, user: 'postgres', password: secrets.superuserPassword.reveal() }
  await cloneTemplate(superuser)
  const ground = { config, clock, log: createLog(config), metrics: createMetrics(), address }
  const { parts, stop: unequip } = await equipAll(ground, keeper, 4)
  keeper.lookBeforeRetiring(wrappedCount(parts.redoubt_keeper.database))
  const { kernel } = parts.redoubt_api
  const databases = Object.fromEntries(serviceRoles.map((role) => [role, parts[role].database])) as Record<
    ServiceRole,
    Database
  >
  const admin = new pg.Pool({ ...superuser, max: 2, options: '-c search_path=redoubt -c timezone=UTC' })
  admin.on('error', () => undefined)
  const live = new LiveFeed(databases.redoubt_api, kernel.log)
  await live.start()
  const access = createAccess()
  const operations = composeOperations(kernel, databases.redoubt_api, access)
  const guards = composeGuards(kernel, databases.redoubt_api, live, access)
  const dispatch = createDispatch(kernel, databases.redoubt_api, guards)
  const byName = new Map(operations.map((operation) => [operation.name, operation]))

  async function call<N extends OperationName>(
    as: TestPerson | Credentials,
    name: N,
    input: z.input<SpecOf<N>['input']>,
    extra: Partial<Call> = {},
  ): Promise<z.output<SpecOf<N>['output']>> {
    const person = 'userId' in as ? as : null
    const credentials: Credentials = person ? { kind: 'browser', token: person.token } : (as as Credentials)
    return (await dispatch(byName.get(name) as Operation, {
      requestId: randomUUID(),
      address: '127.0.0.1',
      userAgent: 'test',
      credentials,
      organizationId: person?.organizationId ?? null,
      input,
      ...extra,
    })) as z.output<SpecOf<N>['output']>
  }

  return {
    kernel,
    clock,
    keeper,
    secrets,
    /** Each service's kernel, pool and login. */
    parts,
    operations,
    guards,
    access,
    dispatch,
    live,
    databases,
    /** Superuser's pool: for preparing and for looking behind row security, never for what is tested. */
    admin,
    loginOf: (role: ServiceRole): ServiceLogin => parts[role].login,
    call,

    async organization(providerId: OrganizationId | null = null): Promise<TestOrganization> {
      const slug = `org-${randomUUID().slice(0, 12)}`
      const { rows } = await admin.query<{ id: OrganizationId }>(
        'insert into organizations (name, slug, provider_id, created_at) values ($1, $1, $2, $3) returning id',
        [slug, providerId, clock.now()],
      )
      const id = rows[0]?.id as OrganizationId
      await admin.query(
        `insert into set_up (token_hash, expires_at, used_at, operator_organization_id) values ('', now(), now(), $1) on conflict do nothing`,
        [id],
      )
      return { id, slug, name: slug }
    },

    /** A member with a running browser session. */
    async member(organization: { readonly id: OrganizationId }, role: Role = 'admin'): Promise<TestPerson> {
      const name = `${role} ${randomUUID().slice(0, 6)}`
      const email = `${randomUUID()}@example.org`
      const token = createOpaqueToken('ses')
      const userId = randomUUIDv7() as UserId
      const { write } = await emailIndexes(kernel.fields, email)
      await admin.query(
        'insert into users (id, email_sealed, email_index, name, created_at) values ($1, $2, $3, $4, $5)',
        [userId, await kernel.fields.seal(accountEmailOf(userId), email), write, name, clock.now()],
      )
      await admin.query(
        'insert into memberships (organization_id, user_id, role, created_at) values ($1, $2, $3, $4)',
        [organization.id, userId, role, clock.now()],
      )
      await admin.query(
        `insert into sessions (id, user_id, kind, token_hash, created_at, last_seen_at, expires_at)
         values (uuidv7(), $1, 'browser', $2, $3, $3, $4)`,
        [userId, hashToken(token), clock.now(), new Date(clock.now().getTime() + config.sessionAbsoluteMs)],
      )
      return { userId, name, email, role, organizationId: organization.id, token }
    },

    /** Runs the worker's jobs that are due by PostgreSQL's clock, until none is left. */
    runWorkerJobs: () =>
      runJobsOnce(parts.redoubt_worker.kernel, parts.redoubt_worker.login, {
        'alerts.enrich': enrichAlerts(parts.redoubt_worker.kernel, databases.redoubt_worker, createCorrelation()),
        'cases.check-response': checkResponse(parts.redoubt_worker.kernel, databases.redoubt_worker),
        ...keyTasks(parts.redoubt_worker.kernel, databases.redoubt_worker),
      }),
    /** Starts the audit sequencer over the worker's role; stopped with the platform. */
    async startSequencer(): Promise<void> {
      const feed = new LiveFeed(databases.redoubt_worker, kernel.log)
      await feed.start()
      const stop = await startSequencer(parts.redoubt_worker.kernel, databases.redoubt_worker, feed)
      stops.push(async () => {
        await stop()
        feed.stop()
      })
    },
    /** Something to undo when the platform stops. */
    onStop: (stop: Stop) => void stops.push(stop),

    async stop(): Promise<void> {
      for (const stop of stops.splice(0).reverse()) await stop()
      live.stop()
      await unequip()
      await keeper.close()
      await admin.end()
      await withClient({ ...superuser, database: 'postgres' }, async (client) => {
        // A queue that has answered may still be noting a failure; its connection ends by itself a moment later.
        for (let asked = 0; asked < 200; asked += 1) {
          const { rowCount } = await client.query('select from pg_stat_activity where datname = $1', [database])
          if (rowCount === 0) break
          await new Promise((next) => setTimeout(next, 25))
        }
        await client.query(`drop database if exists ${client.escapeIdentifier(database)} with (force)`)
      })
      await rm(home, { recursive: true, force: true })
    },
  }
}

/** `create database … template` wants nobody connected to the template; two test files that clone at once wait. */
async function cloneTemplate(superuser: Login): Promise<void> {
  await withClient({ ...superuser, database: 'postgres' }, async (client) => {
    await client.query(`select pg_advisory_lock(hashtext('clone'))`)
    await client.query(
      `create database ${client.escapeIdentifier(superuser.database)} template redoubt_template owner redoubt_owner`,
    )
    await client.query(
      `revoke temporary, create on database ${client.escapeIdentifier(superuser.database)} from public`,
    )
  })
}
