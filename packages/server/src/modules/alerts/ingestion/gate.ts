import { AppError } from '../../../platform/app-error.ts'

/** Lets a bounded number of batches work at once and a bounded number wait; the rest is told to come back. */
export class Gate {
  readonly #atOnce: number
  readonly #mayWait: number
  readonly #waiting: Array<() => void> = []
  #working = 0

  constructor(options: { readonly atOnce: number; readonly mayWait: number }) {
    this.#atOnce = options.atOnce
    this.#mayWait = options.mayWait
  }

  /** @throws AppError unavailable with the seconds to wait, when as many wait as may */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#working < this.#atOnce) this.#working += 1
    else {
      if (this.#waiting.length >= this.#mayWait) throw busy()
      // The one that leaves hands its place over, so the count stays.
      await new Promise<void>((enter) => this.#waiting.push(enter))
    }
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#working -= 1
    }
  }
}

/** Bytes of bodies that all requests together may hold; slow senders cannot fill the memory. */
export class ByteBudget {
  readonly #bytes: number
  #held = 0

  constructor(bytes: number) {
    this.#bytes = bytes
  }

  /** @throws AppError unavailable */
  take(bytes: number): void {
    if (this.#held + bytes > this.#bytes) throw busy()
    this.#held += bytes
  }

  give(bytes: number): void {
    this.#held -= bytes
  }
}

function busy(): AppError {
  return new AppError('unavailable', 'As many batches as can be taken are in hand; send this one again shortly.', {
    retryAfter: 1,
  })
}
