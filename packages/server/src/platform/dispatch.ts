import type { Contract, Machine, OpSpec, OrganizationId, Permission, RunnerId } from '@redoubt/contract'
import { type ZodError, type ZodType, z } from 'zod'
import { AppError } from './app-error.ts'
import type { Database } from './database.ts'
import type { Kernel } from './kernel.ts'
import {
  type AllHandlers,
  actorOf,
  type Call,
  type MachineCtx,
  type Person,
  type PersonCtx,
  type PublicCtx,
  type Resource,
  type TenantCtx,
} from './operation.ts'
import { addressUnit, RateLimit } from './rate-limit.ts'
import { asSelf } from './tenant-tx.ts'
import { work } from './work.ts'

export type Decision = { readonly allowed: boolean; readonly policies: readonly string[] }

/** A person's place in an organization. `isOperator` says that this organization runs the installation. */
export type Membership = { readonly role: string; readonly isOperator: boolean }

/** What dispatch asks of the modules above it; handed in at the composition. */
export type Guards = {
  /** @throws AppError unauthenticated */
  person(call: Call): Promise<Person>
  /** @throws AppError unauthenticated, or forbidden when the runner is known and its connection is not */
  runner(call: Call, as: Machine): Promise<{ organizationId: OrganizationId; runnerId: RunnerId; name: string }>
  /** What the database knows of a person in an organization; null when they do not belong to it. */
  membership(person: Person, organizationId: string): Promise<Membership | null>
  decide(
    person: Membership & { userId: string; organizationId: string },
    permission: Permission,
    resource: Resource,
  ): Decision
  /** Records a refusal in the organization it concerns, or in the operator's when it concerns none. */
  refused(
    call: Call,
    person: Person,
    organizationId: string | null,
    operation: string,
    policies: readonly string[],
  ): Promise<void>
}

export type Operation = {
  readonly name: string
  readonly spec: OpSpec
  readonly run: (ctx: never, input: never) => Promise<unknown>
}
/** @returns the operation's parsed output @throws AppError */
export type Dispatch = (operation: Operation, call: Call) => Promise<unknown>

/** The contract and its handlers as one flat list: `cases.open` and so on. */
export function operationsOf<C extends Contract>(contract: C, handlers: AllHandlers<C>): readonly Operation[] {
  return Object.entries(contract).flatMap(([group, specs]) =>
    Object.entries(specs).map(([name, spec]) => {
      const run = (handlers[group] as Record<string, Operation['run']> | undefined)?.[name]
      if (!run) throw new Error(`no handler for ${group}.${name}`)
      return { name: `${group}.${name}`, spec, run }
    }),
  )
}

/**
 * The only caller of operations:
 * authenticate → rate limit → permission → parse input → open transaction → run → audit → parse output → commit.
 */
export function createDispatch(kernel: Kernel, database: Database, guards: Guards): Dispatch {
  const { clock, metrics, config } = kernel
  const perSecond = (limit: number) => new RateLimit({ limit, windowMs: 1000, clock })
  const anonymous = perSecond(config.limits.anonymousPerSecond)
  const tenant = perSecond(config.limits.tenantPerSecond)
  const expensive = perSecond(config.limits.expensivePerSecond)
  const signIn = new RateLimit({ limit: config.limits.signInPerMinute, windowMs: 60_000, clock })
  const guesses = perSecond(config.limits.anonymousPerSecond * 5)
  const refusals = new RateLimit({ limit: config.limits.anonymousPerSecond * 30, windowMs: 60_000, clock })

  return async (operation, call) => {
    const started = performance.now()
    let code = 'ok'
    try {
      return await route(operation, call)
    } catch (error) {
      code = error instanceof AppError ? error.code : 'internal'
      if (['unauthenticated', 'forbidden', 'rate_limited'].includes(code)) metrics.denied.inc({ code })
      throw error
    } finally {
      metrics.operations.observe({ operation: operation.name, code }, (performance.now() - started) / 1000)
    }
  }

  function route(operation: Operation, call: Call): Promise<unknown> {
    const { access } = operation.spec
    if ('public' in access) return runPublic(operation, call)
    if ('person' in access) return runForPerson(operation, call)
    if ('machine' in access) return runForRunner(operation, call, access.machine)
    return runInTenant(operation, call, access.permission)
  }

  async function runPublic({ spec, run }: Operation, call: Call): Promise<unknown> {
    const address = addressUnit(call.address)
    anonymous.take(address, 'requests a second without signing in')
    const input = parseInput(spec.input, call.input)
    if (spec.limit === 'sign-in') {
      const email = (input as { email?: string }).email ?? ''
      signIn.take(`${address}|${email}`, 'attempts a minute')
    }
    const ctx: PublicCtx = {
      requestId: call.requestId,
      now: clock.now(),
      address: call.address,
      userAgent: call.userAgent,
      browser: call.browser,
    }
    return parseOutput(spec.output, await run(ctx as never, input as never))
  }

  /** Who guesses sessions, tokens or keys is told to wait. */
  async function proven<T>(call: Call, prove: (call: Call) => Promise<T>): Promise<T> {
    try {
      return await prove(call)
    } catch (error) {
      if (error instanceof AppError && error.code === 'unauthenticated')
        guesses.take(addressUnit(call.address), 'requests a second with credentials that do not hold')
      throw error
    }
  }

  /** Leaves the evidence of a refusal. It is kept for ever, so whoever collects refusals is told to wait instead. */
  async function refused(...[call, person, ...rest]: Parameters<Guards['refused']>): Promise<void> {
    refusals.take(person.userId, 'refused requests a minute')
    await guards.refused(call, person, ...rest)
  }

  async function runForPerson({ spec, run }: Operation, call: Call): Promise<unknown> {
    const person = await proven(call, guards.person)
    tenant.take(person.userId, 'requests a second for one person')
    const input = parseInput(spec.input, call.input)
    const ctx: PersonCtx = {
      person,
      requestId: call.requestId,
      now: clock.now(),
      browser: call.browser,
      asSelf: (use) => asSelf(database, person.userId, use),
    }
    return parseOutput(spec.output, await run(ctx as never, input as never))
  }

  async function runForRunner({ spec, run }: Operation, call: Call, as: Machine): Promise<unknown> {
    const { organizationId, runnerId, name } = await proven(call, (each) => guards.runner(each, as))
    tenant.take(organizationId, 'requests a second for one organization')
    const input = parseInput(spec.input, call.input)
    const actor = { kind: 'runner', id: runnerId, name } as const
    return work(database, { organizationId, actor, clock, requestId: call.requestId }, async (unit) => {
      const ctx: MachineCtx = { ...unit, organizationId, runnerId }
      return parseOutput(spec.output, await run(ctx as never, input as never))
    })
  }

  async function runInTenant({ name, spec, run }: Operation, call: Call, permission: Permission): Promise<unknown> {
    const person = await proven(call, guards.person)
    const { organizationId, role, isOperator } = await membership(call, person, name)
    tenant.take(organizationId, 'requests a second for one organization')
    if (spec.limit === 'expensive') expensive.take(person.userId, 'such requests a second')
    const subject = { userId: person.userId, role, organizationId, isOperator }
    const coarse = guards.decide(subject, permission, { kind: 'Organization' })
    if (!coarse.allowed) {
      await refused(call, person, organizationId, name, coarse.policies)
      throw new AppError('forbidden', `Your role, ${role}, does not include ${permission}.`)
    }
    const input = parseInput(spec.input, call.input)
    const actor = actorOf(person, role)
    let refusal: Decision | undefined
    try {
      return await work(
        database,
        { organizationId, actor, clock, requestId: call.requestId, mode: spec.kind },
        async (unit) => {
          const ctx: TenantCtx = {
            ...unit,
            organizationId,
            person: { ...person, role },
            requestId: call.requestId,
            allows: (action, resource) => guards.decide(subject, action, resource).allowed,
            authorize(action, resource) {
              const decision = guards.decide(subject, action, resource)
              if (decision.allowed) return
              refusal = decision
              throw new AppError(
                'forbidden',
                `You may not do this here: ${decision.policies.join(', ') || 'no policy permits it'}.`,
              )
            },
          }
          const output = parseOutput(spec.output, await run(ctx as never, input as never))
          if (spec.kind === 'write' && !spec.unaudited && unit.recorded() === 0)
            throw new Error(`${name} changed something and recorded nothing`)
          return output
        },
      )
    } catch (error) {
      if (refusal) await refused(call, person, organizationId, name, refusal.policies)
      throw error
    }
  }

  /** The organization comes from the verified token, or is named by a browser and believed once the membership is found. */
  async function membership(
    call: Call,
    person: Person,
    name: string,
  ): Promise<Membership & { organizationId: OrganizationId }> {
    const wanted = person.organizationId ?? call.organizationId
    if (person.organizationId && call.organizationId && call.organizationId !== person.organizationId) {
      await refused(call, person, null, name, [])
      throw new AppError('forbidden', 'This token acts in another organization: sign in for the one you want.')
    }
    if (!wanted) throw new AppError('bad_request', 'Name the organization in the Redoubt-Organization header.')
    const organizationId = z.uuid().safeParse(wanted)
    const found = organizationId.success ? await guards.membership(person, organizationId.data) : null
    if (!organizationId.success || found === null) {
      await refused(call, person, null, name, [])
      throw new AppError('forbidden', 'You do not belong to this organization.')
    }
    return { organizationId: organizationId.data as OrganizationId, ...found }
  }
}

function parseInput(schema: ZodType, input: unknown): unknown {
  const parsed = schema.safeParse(input ?? {})
  if (parsed.success) return parsed.data
  throw new AppError('bad_request', 'The input is not valid; `errors` says where.', { fields: fieldsOf(parsed.error) })
}

/** An output that does not fit its spec is our defect and leaks nothing. */
function parseOutput(schema: ZodType, output: unknown): unknown {
  return schema.parse(output)
}

function fieldsOf(error: ZodError): { path: string; message: string }[] {
  return error.issues.slice(0, 20).map((issue) => ({ path: issue.path.join('.') || '(all)', message: issue.message }))
}
