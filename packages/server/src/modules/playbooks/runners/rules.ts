import type { SpiffeId } from '@redoubt/trust'
import ipaddr from 'ipaddr.js'
import { AppError } from '../../../platform/app-error.ts'
import type { Config } from '../../../platform/config.ts'

/** An enrolment token works once, within this time, in milliseconds. */
export const enrolmentMs = 60 * 60_000

/**
 * The origin that plans are pushed to. Nothing but scheme, host and port: with a path, a query or a password the one who
 * enrols could aim the platform's own request at any address inside its network. @throws AppError bad_request
 */
export function runnerOrigin(url: string): string {
  const parsed = new URL(url)
  const refuse = (message: string) =>
    new AppError('bad_request', 'The input is not valid; `errors` says where.', { fields: [{ path: 'url', message }] })
  if (
    parsed.pathname !== '/' ||
    parsed.search !== '' ||
    parsed.hash !== '' ||
    parsed.username !== '' ||
    parsed.password !== ''
  ) {
    throw refuse('must be scheme, host and port alone, such as https://runner.example.com:5678')
  }
  if (parsed.protocol !== 'https:') throw refuse('must be https://…: plans travel over mutual TLS alone')
  if (isRefusedAddress(parsed.hostname)) throw refuse('must be an address of a runner, not one of the network itself')
  return parsed.origin
}

/** No runner lives there, but metadata services of clouds do, and everything at once. `host` may be a name: then false. */
export function isRefusedAddress(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1')
  if (!ipaddr.isValid(bare)) return false
  const range = ipaddr.process(bare).range()
  return ['linkLocal', 'unspecified', 'multicast', 'broadcast', 'reserved'].includes(range)
}

/** Whose certificate a runner's must be, on either side of its channel. */
export const runnerSpiffeId = (trustDomain: string, organizationId: string, runnerId: string): SpiffeId => ({
  ...{ trustDomain, kind: 'runner', organizationId, runnerId },
})

/** Where runners reach the platform: on the host of the console, at their own port, which no reverse proxy may end. */
export function runnersAddress({ publicUrl, runnerApiPort }: Pick<Config, 'publicUrl' | 'runnerApiPort'>): string {
  return `https://${new URL(publicUrl).hostname}:${runnerApiPort}`
}

/** What to type in a checkout of this repository where the runner shall stand. */
export const startCommand = (control: string, token: string): string =>
  `npx node packages/runner/src/main.ts --enrol ${control} ${token}`
