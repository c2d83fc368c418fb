import { type Logger, pino } from 'pino'
import type { Config } from './config.ts'

export type Log = Logger

/** Structured logs on standard error. Bodies, secrets and personal data are never passed in; these paths are a net. */
export function createLog(config: Pick<Config, 'logLevel'>): Log {
  return pino(
    {
      level: config.logLevel,
      base: null,
      redact: { paths: ['*.password', '*.token', '*.authorization', '*.cookie', '*.email'], censor: '[redacted]' },
    },
    pino.destination({ fd: 2, sync: true }),
  )
}
