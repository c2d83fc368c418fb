import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { CommandError } from './command-error.ts'

const longestLine = 4096

/** Asks at the terminal. Questions go to stderr: stdout is for the answer of the command. */
export async function ask(question: string): Promise<string> {
  return readLine(question, process.stderr)
}

/**
 * Reads a password: without echo from a terminal, otherwise the first line of stdin. Never from an argument, which the
 * process list and the shell's history would keep.
 */
export async function readPassword(question: string): Promise<string> {
  if (!process.stdin.isTTY) return firstLineOfStdin()
  try {
    return await readLine(question, new Writable({ write: (_chunk, _encoding, done) => done() }))
  } finally {
    process.stderr.write('\n')
  }
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

async function firstLineOfStdin(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk
    const end = text.indexOf('\n')
    if (end >= 0) return text.slice(0, end).replace(/\r$/, '')
    if (text.length > longestLine) break
  }
  if (text === '' || text.length > longestLine) {
    throw new CommandError('stdin holds no password: type it at a terminal, or pipe it in as one line.', {
      exitCode: 2,
    })
  }
  return text
}
