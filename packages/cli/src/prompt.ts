import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { CommandError } from './command-error.ts'
import { nextLineOfStdin, restOfStdin } from './stdin.ts'

/** Asks at the terminal. Questions go to stderr: stdout is for the answer of the command. */
export async function ask(question: string): Promise<string> {
  return readLine(question, process.stderr)
}

/**
 * Reads a password or another secret of one line: without echo from a terminal, otherwise the next line of stdin. Never from
 * an argument, which the process list and the shell's history would keep.
 */
export async function readPassword(question: string): Promise<string> {
  if (!process.stdin.isTTY) return nextLineOfStdin()
  try {
    return await readLine(question, new Writable({ write: (_chunk, _encoding, done) => done() }))
  } finally {
    process.stderr.write('\n')
  }
}

/** Reads a value that may have several lines: one line without echo from a terminal, otherwise the rest of stdin. */
export async function readValue(question: string): Promise<string> {
  return process.stdin.isTTY ? readPassword(question) : restOfStdin()
}

async function readLine(question: string, echo: NodeJS.WritableStream): Promise<string> {
  // Before the question: the terminal itself echoes what a quick typist enters until the interface has taken it over.
  const lines = createInterface({ input: process.stdin, output: echo, terminal: true, historySize: 0 })
  const stop = new AbortController()
  try {
    process.stderr.write(question)
    lines.once('SIGINT', () => lines.close())
    const answer = once(lines, 'line', { signal: stop.signal }).then(([line]) => line as string)
    const ended = once(lines, 'close', { signal: stop.signal }).then(() => {
      throw new CommandError('Nothing was typed, so nothing was done.')
    })
    return await Promise.race([answer, ended])
  } finally {
    stop.abort()
    lines.close()
  }
}
