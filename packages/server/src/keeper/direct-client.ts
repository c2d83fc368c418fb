import type { z } from 'zod'
import {
  type KeeperClient,
  type KeeperOutput,
  type KeeperQuestion,
  KeeperRefusal,
  type KeeperRequest,
  keeperProtocol,
  type ServiceIdentity,
} from '../platform/keeper-protocol.ts'
import type { Keeper } from './keeper.ts'
import { KeeperError } from './keeper-error.ts'

/** A service's line to a keeper in the same process: the same policy, under the service's own name, without a wire. */
export function directClient(keeper: Keeper, service: ServiceIdentity): KeeperClient {
  return {
    service,
    async call<R extends KeeperRequest>(request: R, input: KeeperQuestion<R>): Promise<KeeperOutput<R>> {
      try {
        const answer = await keeper.handle(service, request, input)
        return (keeperProtocol[request].output as unknown as z.ZodType<KeeperOutput<R>>).parse(answer)
      } catch (error) {
        if (error instanceof KeeperError) throw new KeeperRefusal(error.code, error.message, { cause: error })
        throw error
      }
    },
    onChange: (listener) => keeper.onChange(listener),
  }
}
