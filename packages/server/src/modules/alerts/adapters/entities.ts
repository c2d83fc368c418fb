import type { Facts } from './facts.ts'
import type { Endpoint, Evidence, FindingFile, FindingProcess, OcsfFinding } from './normalized-alert.ts'
import { cleanLine } from './sanitize.ts'

/** The parts of a finding that name things: device, user, endpoints, file, process, and their observables. */

const MAX_VALUE = 1024

/** OCSF observable type ids. */
const OBSERVABLE = { hostname: 1, ip: 2, mac: 3, user: 4, email: 5, url: 6, file: 7, hash: 8, process: 9 } as const

type Slot = keyof Facts
const OBSERVED: readonly (readonly [Slot, string, number])[] = [
  ['srcIp', 'evidences.src_endpoint.ip', OBSERVABLE.ip],
  ['dstIp', 'evidences.dst_endpoint.ip', OBSERVABLE.ip],
  ['hostIp', 'device.ip', OBSERVABLE.ip],
  ['hostName', 'device.hostname', OBSERVABLE.hostname],
  ['srcHost', 'evidences.src_endpoint.hostname', OBSERVABLE.hostname],
  ['dstHost', 'evidences.dst_endpoint.hostname', OBSERVABLE.hostname],
  ['query', 'evidences.query.hostname', OBSERVABLE.hostname],
  ['userName', 'actor.user.name', OBSERVABLE.user],
  ['userEmail', 'actor.user.email_addr', OBSERVABLE.email],
  ['url', 'evidences.url.url_string', OBSERVABLE.url],
  ['fileName', 'evidences.file.name', OBSERVABLE.file],
  ['sha256', 'evidences.file.hashes', OBSERVABLE.hash],
  ['sha1', 'evidences.file.hashes', OBSERVABLE.hash],
  ['md5', 'evidences.file.hashes', OBSERVABLE.hash],
  ['processName', 'evidences.process.name', OBSERVABLE.process],
]

/** The value as one bounded line, or undefined when there is none. */
export function line(value: string | null | undefined): string | undefined {
  return value ? cleanLine(value, MAX_VALUE) || undefined : undefined
}

/** Adds the value unless it is missing, so that findings carry no empty attributes. */
export function put<T extends object, K extends keyof T>(target: T, key: K, value: T[K] | undefined): T {
  if (value !== undefined) target[key] = value
  return target
}

function filled<T extends object>(value: T): T | undefined {
  for (const _ in value) return value
  return undefined
}

function endpoint(
  ip: string | null | undefined,
  port: string | null | undefined,
  host: string | null | undefined,
  mac: string | null | undefined,
): Endpoint | undefined {
  const made: Endpoint = {}
  put(made, 'ip', line(ip))
  const number = port ? Number(port) : Number.NaN
  if (Number.isInteger(number) && number >= 0 && number <= 65_535) made.port = number
  put(made, 'hostname', line(host))
  put(made, 'mac', line(mac))
  return filled(made)
}

function fileOf(facts: Facts): FindingFile | undefined {
  const made: FindingFile = {}
  put(made, 'name', line(facts.fileName))
  put(made, 'path', line(facts.filePath))
  const hashes: { algorithm: string; value: string }[] = []
  if (facts.md5) hashes.push({ algorithm: 'MD5', value: cleanLine(facts.md5, 128).toLowerCase() })
  if (facts.sha1) hashes.push({ algorithm: 'SHA-1', value: cleanLine(facts.sha1, 128).toLowerCase() })
  if (facts.sha256) hashes.push({ algorithm: 'SHA-256', value: cleanLine(facts.sha256, 128).toLowerCase() })
  if (hashes.length > 0) made.hashes = hashes
  return filled(made)
}

function processOf(facts: Facts): FindingProcess | undefined {
  const made: FindingProcess = {}
  put(made, 'name', line(facts.processName))
  put(made, 'path', line(facts.processPath))
  put(made, 'cmd_line', line(facts.processCommand))
  put(made, 'pid', line(facts.processId))
  const parent = line(facts.parentName)
  if (parent) made.parent_process = { name: parent }
  return filled(made)
}

export function evidenceOf(facts: Facts): Evidence | undefined {
  const made: Evidence = {}
  put(made, 'src_endpoint', endpoint(facts.srcIp, facts.srcPort, facts.srcHost, facts.srcMac))
  put(made, 'dst_endpoint', endpoint(facts.dstIp, facts.dstPort, facts.dstHost, facts.dstMac))
  put(made, 'process', processOf(facts))
  put(made, 'file', fileOf(facts))
  const url = facts.url ? cleanLine(facts.url, 2048) : ''
  if (url) made.url = { url_string: url }
  const query = line(facts.query)
  if (query) made.query = { hostname: query }
  return filled(made)
}

export function observablesOf(facts: Facts): NonNullable<OcsfFinding['observables']> {
  const observables: NonNullable<OcsfFinding['observables']> = []
  for (const [slot, name, type_id] of OBSERVED) {
    const value = line(facts[slot] as string | null | undefined)
    if (value) observables.push({ name, type_id, value })
  }
  return observables
}

export function deviceOf(facts: Facts): OcsfFinding['device'] {
  const device: NonNullable<OcsfFinding['device']> = {}
  put(device, 'hostname', line(facts.hostName))
  put(device, 'ip', line(facts.hostIp))
  put(device, 'uid', line(facts.hostId))
  put(device, 'mac', line(facts.hostMac))
  const os = line(facts.hostOs)
  if (os) device.os = { name: os }
  return filled(device)
}

export function actorOf(facts: Facts): OcsfFinding['actor'] {
  const user: NonNullable<OcsfFinding['actor']>['user'] = {}
  put(user, 'name', line(facts.userName))
  put(user, 'uid', line(facts.userId))
  put(user, 'email_addr', line(facts.userEmail))
  put(user, 'domain', line(facts.userDomain))
  return filled(user) ? { user } : undefined
}
