import type { ConsoleProcedures, Problem } from '@redoubt/contract'
import type { inferRouterOutputs, TRPCBuiltRouter } from '@trpc/server'

/** The shape of a failed call: `data` is the RFC 9457 problem. */
type ErrorShape = { readonly message: string; readonly code: number; readonly data: Problem }

/** The router the console speaks to, typed from the contract alone; no line of the server is imported. */
export type ConsoleRouter = TRPCBuiltRouter<
  { ctx: object; meta: object; errorShape: ErrorShape; transformer: false },
  ConsoleProcedures
>
export type Outputs = inferRouterOutputs<ConsoleRouter>
