import type {
  Contract,
  OpGroup,
  OpSpec,
  OrganizationId,
  Permission,
  RunnerId,
  SessionId,
  UserId,
} from '@redoubt/contract'
import type { SpiffeId } from '@redoubt/trust'
import type { z } from 'zod'
import type { SelfTx } from './tenant-tx.ts'
import type { Actor, Work } from './work.ts'

/** A person whose session holds. */
export type Person = {
  readonly userId: UserId
  readonly name: string
  readonly sessionId: SessionId
  readonly sessionExpiresAt: Date
  readonly strength: 'aal1' | 'aal2'
  /** Token sessions act in one organization; browsers name it with each request. */
  readonly organizationId: OrganizationId | null
}

/** A thing that a decision is about. `organization` is the tenant itself, for operations without a narrower one. */
export type Resource =
  | { readonly kind: 'Organization' }
  | {
      readonly kind: 'Case'
      readonly id: string
      readonly tlp: string
      readonly audience: string
      readonly ownerId: string | null
      readonly recipientIds: readonly string[]
    }
  | { readonly kind: 'Run'; readonly id: string; readonly startedById: string; readonly approverRole: string }

/** The platform's view of one request, whatever carried it. */
export type Call = {
  readonly requestId: string
  /** The client's address; limits count IPv6 by /64. */
  readonly address: string
  readonly userAgent: string
  readonly credentials: Credentials
  /** On the runners' port: who the certificate of the connection speaks for, null when it shows none that holds. */
  readonly certificate?: SpiffeId | null
  /** The organization the caller asks to act in; believed only after the membership is found. */
  readonly organizationId: string | null
  readonly input: unknown
  /** Present where the caller is a browser on our own origin. */
  readonly browser?: BrowserSession
}
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'browser'; readonly token: string }
  | { readonly kind: 'runner'; readonly token: string; readonly body: Uint8Array }

/** Sets and clears the `__Host-` cookie on the answer. */
export type BrowserSession = { start(token: string, maxAgeSeconds: number): void; end(): void }

export type TenantCtx = Work & {
  readonly organizationId: OrganizationId
  readonly person: Person & { readonly role: string }
  readonly requestId: string
  /** @throws AppError forbidden, with the policies that determined it in the audit event */
  authorize(permission: Permission, resource: Resource): void
  /** The same decision, asked without consequence. */
  allows(permission: Permission, resource: Resource): boolean
}
export type PersonCtx = {
  readonly person: Person
  readonly requestId: string
  readonly now: Date
  readonly browser: BrowserSession | undefined
  asSelf<T>(use: (tx: SelfTx) => Promise<T>): Promise<T>
}
export type PublicCtx = {
  readonly requestId: string
  readonly now: Date
  readonly address: string
  readonly userAgent: string
  readonly browser: BrowserSession | undefined
}
export type MachineCtx = Work & { readonly organizationId: OrganizationId; readonly runnerId: RunnerId }

export type CtxOf<S extends OpSpec> = S['access'] extends { readonly permission: string }
  ? TenantCtx
  : S['access'] extends { readonly person: string }
    ? PersonCtx
    : S['access'] extends { readonly machine: string }
      ? MachineCtx
      : PublicCtx

/** One function per operation of a group: the compiler refuses a missing one, and a public one that touches a tenant. */
export type Handlers<G extends OpGroup> = {
  readonly [K in keyof G]: (ctx: CtxOf<G[K]>, input: z.output<G[K]['input']>) => Promise<z.input<G[K]['output']>>
}
export type AllHandlers<C extends Contract> = { readonly [G in keyof C]: Handlers<C[G]> }

export function actorOf(person: Person, role: string): Actor {
  return {
    kind: 'person',
    id: person.userId,
    name: person.name,
    role: role as Extract<Actor, { kind: 'person' }>['role'],
  }
}
