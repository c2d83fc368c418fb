import type { Duplex } from 'node:stream'
import type pg from 'pg'

/*
 * COPY over the `pg` driver, which knows the protocol's messages but no streams. Both directions keep back: rows are read
 * only as fast as they are taken, and sent only as fast as the server takes them.
 */

const BLOCK_BYTES = 64 * 1024
const HELD_BLOCKS = 4

/** The part of the driver's connection that COPY needs; its types leave the last three out. */
type CopyConnection = {
  readonly stream: Duplex
  query(text: string): void
  sendCopyFromChunk(chunk: Uint8Array): void
  endCopyFrom(): void
  sendCopyFail(message: string): void
}

const rowsOf = (tag: string): number => Number(/^COPY (\d+)$/.exec(tag)?.[1])

/**
 * Runs `copy … to stdout`. @returns its bytes in blocks, and the number of rows once they have been read. When reading
 * ends early the connection is cut, since the server would go on sending.
 */
export function copyOut(
  client: pg.ClientBase,
  sql: string,
): { readonly data: AsyncIterable<Uint8Array>; rows(): number } {
  const copy = new CopyOut(sql)
  return {
    data: copy.blocks(() => client.query(copy as unknown as pg.Submittable)),
    rows: () => copy.rows,
  }
}

class CopyOut {
  rows = 0
  readonly #sql: string
  #connection: CopyConnection | undefined
  #blocks: Buffer[] = []
  #block = Buffer.allocUnsafe(BLOCK_BYTES)
  #filled = 0
  #ended = false
  #error: Error | undefined
  #wake: () => void = () => undefined

  constructor(sql: string) {
    this.#sql = sql
  }

  async *blocks(start: () => void): AsyncGenerator<Uint8Array> {
    start()
    try {
      for (;;) {
        const block = this.#blocks.shift()
        if (block !== undefined) {
          yield block
          continue
        }
        if (this.#error !== undefined) throw this.#error
        if (this.#ended) return
        const { promise, resolve } = Promise.withResolvers<void>()
        this.#wake = resolve
        this.#connection?.stream.resume()
        await promise
      }
    } finally {
      if (!this.#ended) this.#connection?.stream.destroy()
    }
  }

  submit(connection: CopyConnection): void {
    this.#connection = connection
    connection.query(this.#sql)
  }

  /** One row; the bytes are the driver's and change with the next message. */
  handleCopyData({ chunk }: { readonly chunk: Buffer }, connection: CopyConnection): void {
    for (let at = 0; at < chunk.length; ) {
      const copied = chunk.copy(this.#block, this.#filled, at)
      this.#filled += copied
      at += copied
      if (this.#filled === BLOCK_BYTES) this.#flush()
    }
    if (this.#blocks.length >= HELD_BLOCKS) connection.stream.pause()
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.rows = rowsOf(text)
  }

  handleReadyForQuery(): void {
    this.#flush()
    this.#end()
  }

  handleError(error: Error): void {
    this.#error = error
    this.#end()
  }

  #flush(): void {
    if (this.#filled === 0) return
    this.#blocks.push(this.#block.subarray(0, this.#filled))
    this.#block = Buffer.allocUnsafe(BLOCK_BYTES)
    this.#filled = 0
    this.#wake()
  }

  #end(): void {
    this.#ended = true
    this.#connection?.stream.resume()
    this.#wake()
  }
}

/** Runs `copy … from stdin` with these bytes. @returns the number of rows. Throws what the data or the server throws. */
export function copyIn(client: pg.ClientBase, sql: string, data: AsyncIterable<Uint8Array>): Promise<number> {
  const copy = new CopyIn(sql, data)
  client.query(copy as unknown as pg.Submittable)
  return copy.done
}

class CopyIn {
  readonly done: Promise<number>
  readonly #sql: string
  readonly #data: AsyncIterable<Uint8Array>
  readonly #resolve: (rows: number) => void
  readonly #reject: (error: Error) => void
  #rows = 0
  /** Of the data: it is what went wrong, whatever the server says of a copy that was given up. */
  #cause: Error | undefined
  readonly #over = new AbortController()

  constructor(sql: string, data: AsyncIterable<Uint8Array>) {
    this.#sql = sql
    this.#data = data
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    this.done = promise
    this.#resolve = resolve
    this.#reject = reject
  }

  submit(connection: CopyConnection): void {
    connection.query(this.#sql)
  }

  handleCopyInResponse(connection: CopyConnection): void {
    void this.#send(connection)
  }

  async #send(connection: CopyConnection): Promise<void> {
    try {
      for await (const piece of this.#data) {
        if (this.#over.signal.aborted) return
        connection.sendCopyFromChunk(piece)
        if (connection.stream.writableNeedDrain) await drained(connection.stream, this.#over.signal)
      }
      if (!this.#over.signal.aborted) connection.endCopyFrom()
    } catch (error) {
      this.#cause = error instanceof Error ? error : new Error(String(error))
      if (!this.#over.signal.aborted) connection.sendCopyFail('the archive ended early')
    }
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#rows = rowsOf(text)
  }

  handleReadyForQuery(): void {
    this.#over.abort()
    this.#resolve(this.#rows)
  }

  handleError(error: Error): void {
    this.#over.abort()
    this.#reject(this.#cause ?? error)
  }
}

/** Waits until the stream takes more, or the copy is over: a lost connection never drains. */
function drained(stream: Duplex, over: AbortSignal): Promise<void> {
  if (over.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const go = () => {
      stream.off('drain', go)
      over.removeEventListener('abort', go)
      resolve()
    }
    stream.on('drain', go)
    over.addEventListener('abort', go)
  })
}
