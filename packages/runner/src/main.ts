import { readFileSync } from 'node:fs'
import { pino } from 'pino'
import { readConfig, StartRefused } from './config.ts'
import { Enrolment, Home } from './home/home.ts'
import { startRunner } from './start.ts'

const usage = '--enrol CONTROL_PLANE_URL TOKEN, or --enrol CONTROL_PLANE_URL --token-file FILE (- for standard input)'

/** The token out of a file, or from standard input: on a command line every user of the machine sees it in the list of processes. */
const readToken = (path: string): string => {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8').trim()
  } catch (error) {
    const reason = error instanceof Error ? error.message : ''
    throw new StartRefused(`the token cannot be read from ${path === '-' ? 'standard input' : path}: ${reason}`)
  }
}

const enrolmentOf = ([controlPlane, ...rest]: readonly string[]): Enrolment => {
  const [first, path] = rest
  const fromFile = first === '--token-file' && path !== undefined && rest.length === 2
  if (controlPlane === undefined || (!fromFile && rest.length !== 1)) throw new StartRefused(`write: ${usage}`)
  const enrolment = Enrolment.safeParse({ controlPlane, token: fromFile ? readToken(path) : first })
  if (enrolment.success) return enrolment.data
  const issue = enrolment.error.issues[0]
  throw new StartRefused(`${String(issue?.path[0])} is wrong: ${issue?.message}; write: ${usage}`)
}

/** `runner [--enrol CONTROL_PLANE_URL TOKEN]`: runs until SIGTERM or SIGINT. */
const main = async (args: readonly string[]): Promise<void> => {
  const config = readConfig()
  if (args[0] === '--enrol') {
    new Home(config.home).saveEnrolment(enrolmentOf(args.slice(1)))
  } else if (args.length > 0) throw new StartRefused(`"${args[0]}" is unknown; write: ${usage}`)

  const { logLevel, ...options } = config
  const runner = await startRunner({ ...options, log: pino({ level: logLevel }) })
  process.stdout.write(`runner listening on ${runner.url}\n`)
  const end = () => {
    runner.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, end)
  // A supervisor that was killed cannot send a signal; its end of the line closing is the sign.
  process.once('disconnect', end)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof StartRefused)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
}
