import { pino } from 'pino'
import { readConfig, StartRefused } from './config.ts'
import { Enrolment, Home } from './home/home.ts'
import { startRunner } from './start.ts'

/** `runner [--enrol CONTROL_PLANE_URL TOKEN]`: runs until SIGTERM or SIGINT. */
const main = async (args: readonly string[]): Promise<void> => {
  const config = readConfig()
  if (args[0] === '--enrol') {
    const enrolment = Enrolment.safeParse({ controlPlane: args[1], token: args[2] })
    if (!enrolment.success || args.length !== 3) {
      throw new StartRefused('write: --enrol CONTROL_PLANE_URL TOKEN')
    }
    new Home(config.home).saveEnrolment(enrolment.data)
  } else if (args.length > 0) throw new StartRefused(`"${args[0]}" is unknown; the one option is --enrol URL TOKEN`)

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
