import type { TRPCMutationProcedure, TRPCQueryProcedure } from '@trpc/server'
import type { z } from 'zod'
import type { contract } from './contract.ts'
import type { Contract, OpSpec } from './operation.ts'

type Procedure<S extends OpSpec> = S['kind'] extends 'read'
  ? TRPCQueryProcedure<{ input: z.input<S['input']>; output: z.output<S['output']>; meta: object }>
  : TRPCMutationProcedure<{ input: z.input<S['input']>; output: z.output<S['output']>; meta: object }>

type ProceduresOf<C extends Contract> = {
  [G in keyof C]: { [O in keyof C[G] as C[G][O] extends { readonly rpc: false } ? never : O]: Procedure<C[G][O]> }
}

/** The tRPC record the console calls, typed from the specs alone: the console never imports the server. */
export type ConsoleProcedures = ProceduresOf<typeof contract>
