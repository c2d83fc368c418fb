import { spawn } from 'node:child_process'
import { mainFile } from './command-process.ts'

/** Whether this machine can give a command a terminal of its own. */
export const terminalProgram = '/usr/bin/script'

/**
 * Runs `redoubt` at a terminal and answers its questions.
 * @param answers in order: what the screen shows since the last answer, and what is typed then
 * @returns the screen, and the exit code
 */
export async function atTerminal(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  answers: readonly (readonly [question: RegExp, answer: (screen: string) => string])[],
): Promise<{ readonly screen: string; readonly code: number | null }> {
  const command = [process.execPath, mainFile, ...args].join(' ')
  const child = spawn(terminalProgram, ['-qec', command, '/dev/null'], {
    env: { PATH: process.env['PATH'], ...environment },
  })
  let screen = ''
  let seen = 0
  let next = 0
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    screen += chunk
    const [question, answer] = answers[next] ?? []
    if (!question?.test(screen.slice(seen))) return
    child.stdin.write(`${answer?.(screen)}\r`)
    seen = screen.length
    next += 1
  })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { screen, code }
}
