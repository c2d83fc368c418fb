import type { z } from 'zod'
import type { Permission } from './permissions.ts'

/**
 * A machine that calls the platform with an identity of its own: a runner, by the certificate of its connection and the
 * token of its request; or one whose certificate is missing or has ended, by its token alone.
 */
export type Machine = 'runner' | 'uncertified-runner'

/**
 * Who may call an operation. There is no default: a spec without `access` does not compile.
 * - `permission`: a member of the organization named by the request, decided by Cedar.
 * - `person`: any signed-in person, about themselves only; no organization is opened.
 * - `machine`: a machine of one organization.
 * - `public`: nobody is known; the reason is printed in the catalogue of operations.
 */
export type Access =
  | { readonly permission: Permission }
  | { readonly person: string }
  | { readonly machine: Machine }
  | { readonly public: string }

/** One operation: its kind, who may call it, what goes in and out, and where REST serves it. */
export type OpSpec = {
  readonly kind: 'read' | 'write'
  readonly access: Access
  /** One sentence for the reference page. */
  readonly summary: string
  readonly input: z.ZodType
  readonly output: z.ZodType
  /** Path under `/api/v1`; `{name}` segments and, for GET, the query string are merged into the input. */
  readonly rest?: { readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'; readonly path: string }
  /** False where only REST serves it (tokens for programs, machines); the console has no procedure for it. */
  readonly rpc?: false
  /** Served on the runners' own port over mutual TLS, and nowhere else. */
  readonly channel?: 'runners'
  /** Why a write leaves no audit event of its own; without it dispatch refuses one that recorded nothing. */
  readonly unaudited?: string
  /** Stricter limits than the tenant's bucket: `sign-in` 5/min per address and e-mail, `expensive` 2/s per person. */
  readonly limit?: 'sign-in' | 'expensive'
}

export type OpGroup = Readonly<Record<string, OpSpec>>
export type Contract = Readonly<Record<string, OpGroup>>
