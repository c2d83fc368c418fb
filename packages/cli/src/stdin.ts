import { CommandError } from './command-error.ts'

/*
 * What is piped in, line by line: a command may ask for a passphrase first and for a value then, and what came with the
 * first chunk must not be lost for the second.
 */

const longestLine = 4096
const longestValue = 65_536

let chunks: AsyncIterator<string> | null = null
let held = ''

/** The next line, without its end. @throws CommandError when there is none, or it has no end */
export async function nextLineOfStdin(): Promise<string> {
  for (let more = true; more; ) {
    const end = held.indexOf('\n')
    if (end >= 0) {
      const line = held.slice(0, end).replace(/\r$/, '')
      held = held.slice(end + 1)
      return line
    }
    if (held.length > longestLine) break
    more = await pull()
  }
  if (held === '' || held.length > longestLine) {
    throw new CommandError('stdin holds no password: type it at a terminal, or pipe it in as one line.', {
      exitCode: 2,
    })
  }
  const line = held
  held = ''
  return line
}

/** All that is left, without one line end at its end. @throws CommandError when there is nothing, or too much */
export async function restOfStdin(): Promise<string> {
  while (held.length <= longestValue && (await pull()));
  const value = held.replace(/\r?\n$/, '')
  held = ''
  if (value === '')
    throw new CommandError('stdin is empty: type the value at a terminal, or pipe it in.', { exitCode: 2 })
  return requireText(value, 'stdin')
}

/**
 * A secret's value as the store can keep it. Bytes that are no text were replaced while they were read, and the store would
 * keep something else than what was given.
 * @throws CommandError when it is not UTF-8, or longer than 64 KiB
 */
export function requireText(value: string, from: string): string {
  if (value.length > longestValue)
    throw new CommandError(`${from} holds more than 64 KiB, and a secret has at most that.`, { exitCode: 2 })
  if (value.includes('\ufffd'))
    throw new CommandError(`${from} is not text in UTF-8: encode it first, such as with base64.`, { exitCode: 2 })
  return value
}

async function pull(): Promise<boolean> {
  // Only while something is awaited: a pipe that nobody closes would keep the process alive after its work.
  const { stdin } = process
  chunks ??= stdin.setEncoding('utf8')[Symbol.asyncIterator]() as AsyncIterator<string>
  stdin.ref?.()
  try {
    const { value, done } = await chunks.next()
    if (done) return false
    held += value
    return true
  } finally {
    stdin.unref?.()
  }
}
