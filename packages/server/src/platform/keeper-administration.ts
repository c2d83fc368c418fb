import type { ErrorCode } from '@redoubt/contract'
import { AppError } from './app-error.ts'
import {
  type KeeperClient,
  type KeeperOutput,
  type KeeperQuestion,
  KeeperRefusal,
  type KeeperRequest,
} from './keeper-protocol.ts'

const codeOf: Readonly<Record<string, ErrorCode>> = {
  invalid: 'unprocessable',
  not_found: 'not_found',
  not_allowed: 'forbidden',
  store_conflict: 'stale',
  sealed: 'unavailable',
  master_unavailable: 'unavailable',
  store_unavailable: 'unavailable',
}

/**
 * Asks the keeper for what a person administers. Its sentences hold no secret, so the person may read them.
 * @throws AppError in the contract's words for what the keeper refuses
 */
export async function askKeeper<R extends KeeperRequest>(
  keeper: KeeperClient,
  request: R,
  input: KeeperQuestion<R>,
): Promise<KeeperOutput<R>> {
  try {
    return await keeper.call(request, input)
  } catch (cause) {
    const code = cause instanceof KeeperRefusal ? codeOf[cause.code] : undefined
    if (!(cause instanceof KeeperRefusal) || code === undefined) throw cause
    throw new AppError(code, cause.message, { cause, ...(code === 'unavailable' ? { retryAfter: 5 } : {}) })
  }
}
