import { Worker } from 'node:worker_threads'
import type { Json } from '@redoubt/contract'

export type Variables = { readonly [name: string]: Json }
export type SandboxQuestion = { readonly expressions: readonly string[]; readonly variables: Variables }
export type SandboxAnswer =
  | { readonly ok: true; readonly values: readonly (readonly [string, Json])[] }
  | { readonly ok: false; readonly expression: string; readonly reason: string }

/** An expression failed; the message quotes the expression and never the data. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError'
}

const TIME_LIMIT_MS = 1000

/**
 * Evaluates CEL in a thread of its own with little memory, no environment and a time limit. CEL always ends, but a
 * hostile pattern in `matches()` or nested lists can take hours or gigabytes first; then the thread is ended and the
 * runner lives on. Questions are answered one after the other.
 */
export class Sandbox {
  #worker: Promise<Worker> | undefined
  #last: Promise<unknown> = Promise.resolve()

  /** Values by expression. Throws {@link ExpressionError} for the first expression that fails. */
  evaluate(expressions: readonly string[], variables: Variables): Promise<ReadonlyMap<string, Json>> {
    if (expressions.length === 0) return Promise.resolve(new Map())
    const answer = this.#last.then(() => this.#ask({ expressions, variables }))
    this.#last = answer.catch(() => {})
    return answer
  }

  async stop(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    await (await worker)?.terminate()
  }

  async #ask(question: SandboxQuestion): Promise<ReadonlyMap<string, Json>> {
    this.#worker ??= startWorker()
    const worker = await this.#worker
    const answer = await new Promise<SandboxAnswer | 'ended'>((resolve) => {
      const done = (outcome: SandboxAnswer | 'ended') => {
        clearTimeout(timer)
        worker.off('message', done).off('exit', ended)
        resolve(outcome)
      }
      const ended = () => done('ended')
      const timer = setTimeout(ended, TIME_LIMIT_MS)
      worker.once('message', done).once('exit', ended)
      worker.postMessage(question)
    })
    if (answer === 'ended') {
      await this.stop()
      throw new ExpressionError(`an expression took more than ${TIME_LIMIT_MS} ms or too much memory`)
    }
    if (!answer.ok) throw new ExpressionError(`${clip(answer.expression)}: ${answer.reason.replaceAll('_', ' ')}`)
    return new Map(answer.values)
  }
}

const startWorker = (): Promise<Worker> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./sandbox-worker.ts', import.meta.url), {
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 },
    })
    // The thread never keeps the process alive.
    worker.unref()
    worker.once('message', () => resolve(worker))
    // Also kept for later: a thread that runs out of memory says so here, and then exits.
    worker.on('error', reject)
  })

const clip = (text: string): string => (text.length > 100 ? `${text.slice(0, 99)}…` : text)
