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
  if (value === '' || value.length > longestValue)
    throw new CommandError('stdin holds no value of at most 64 KiB: type it at a terminal, or pipe it in.', {
      exitCode: 2,
    })
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
