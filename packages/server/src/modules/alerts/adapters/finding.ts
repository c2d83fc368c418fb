import { hash } from 'node:crypto'
import { findTactics, findTechniques } from '../attack/techniques.ts'
import type {
  AdapterType,
  Attack,
  Endpoint,
  Evidence,
  FindingFile,
  FindingProcess,
  NormalizedAlert,
  OcsfFinding,
  Severity,
} from './normalized-alert.ts'
import { cleanLine, cleanText } from './sanitize.ts'

/** What an adapter read out of a payload, as text; the shape of the finding is decided here, once for all vendors. */
export type Facts = {
  title?: string | null
  description?: string | null
  ref?: string | null
  time?: Date | null
  firstSeen?: Date | null
  lastSeen?: Date | null
  link?: string | null
  ruleId?: string | null
  ruleName?: string | null
  hostName?: string | null
  hostIp?: string | null
  hostId?: string | null
  hostMac?: string | null
  hostOs?: string | null
  userName?: string | null
  userId?: string | null
  userEmail?: string | null
  userDomain?: string | null
  srcIp?: string | null
  srcPort?: string | null
  srcHost?: string | null
  srcMac?: string | null
  dstIp?: string | null
  dstPort?: string | null
  dstHost?: string | null
  dstMac?: string | null
  processName?: string | null
  processPath?: string | null
  processCommand?: string | null
  processId?: string | null
  parentName?: string | null
  fileName?: string | null
  filePath?: string | null
  md5?: string | null
  sha1?: string | null
  sha256?: string | null
  url?: string | null
  query?: string | null
}

export type Reading = {
  adapter: AdapterType
  vendor: string
  product: string
  facts: Facts
  severity: Severity
  status: 'unknown' | 'new' | 'in-progress' | 'suppressed' | 'resolved'
  isAlert: boolean
  types: readonly string[]
  techniqueTexts: readonly string[]
  tacticTexts: readonly string[]
  /** Stands in for the entities in the fingerprint when the payload names none. */
  content?: string
  unmapped?: NonNullable<OcsfFinding['unmapped']>
  receivedAt: Date
}

const MAX_TITLE = 300
const MAX_DESCRIPTION = 8000
const MAX_REF = 512
const MAX_VALUE = 1024
const MAX_LIST = 50
const OCSF_VERSION = '1.4.0'

const SEVERITY_IDS: Readonly<Record<Severity, number>> = { informational: 1, low: 2, medium: 3, high: 4, critical: 5 }
const SEVERITY_CAPTIONS: Readonly<Record<Severity, string>> = {
  informational: 'Informational',
  low: 'Low',
  medium: 'Medium',
  high: 'High',
  critical: 'Critical',
}
const STATUS = {
  unknown: { id: 0, activity: 1 },
  new: { id: 1, caption: 'New', activity: 1 },
  'in-progress': { id: 2, caption: 'In Progress', activity: 2 },
  suppressed: { id: 3, caption: 'Suppressed', activity: 2 },
  resolved: { id: 4, caption: 'Resolved', activity: 3 },
} as const

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

/** What identifies the thing an alert is about. Source ports, process ids and times change on every report. */
const ENTITIES: readonly Slot[] = [
  'hostName',
  'hostId',
  'hostIp',
  'userName',
  'userEmail',
  'srcIp',
  'srcHost',
  'dstIp',
  'dstPort',
  'dstHost',
  'processName',
  'fileName',
  'filePath',
  'sha256',
  'sha1',
  'md5',
  'url',
  'query',
]

function line(value: string | null | undefined): string | undefined {
  return value ? cleanLine(value, MAX_VALUE) || undefined : undefined
}

/** Adds the value unless it is missing, so that findings carry no empty attributes. */
function put<T extends object, K extends keyof T>(target: T, key: K, value: T[K] | undefined): T {
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

function evidenceOf(facts: Facts): Evidence | undefined {
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

function attacksOf(techniques: readonly string[], tactics: readonly string[]): Attack[] {
  const attacks: Attack[] = techniques
    .slice(0, MAX_LIST)
    .map((uid) =>
      uid.includes('.') ? { technique: { uid: uid.slice(0, 5) }, sub_technique: { uid } } : { technique: { uid } },
    )
  for (const text of tactics.slice(0, MAX_LIST)) {
    const [uid] = findTactics(text)
    const tactic = uid ? { uid } : { name: cleanLine(text, 100) }
    if (uid || tactic.name) attacks.push({ tactic })
  }
  return attacks
}

function observablesOf(facts: Facts): NonNullable<OcsfFinding['observables']> {
  const observables: NonNullable<OcsfFinding['observables']> = []
  for (const [slot, name, type_id] of OBSERVED) {
    const value = line(facts[slot] as string | null | undefined)
    if (value) observables.push({ name, type_id, value })
  }
  return observables
}

function fingerprintOf(reading: Reading, title: string): string {
  const { facts } = reading
  const entities: (string | null)[] = []
  let named = false
  for (const slot of ENTITIES) {
    const value = facts[slot] as string | null | undefined
    named ||= Boolean(value)
    entities.push(value ? value.toLowerCase() : null)
  }
  // Without any entity two different alerts of one title would fold into each other: their content tells them apart.
  const content = named ? null : (reading.content ?? facts.description ?? null)
  return hash(
    'sha256',
    JSON.stringify([reading.adapter, title.toLowerCase(), facts.ruleId ?? null, entities, content]),
    'hex',
  )
}

/** An id too long to keep ends in its digest: cut off, two alerts that differ only at the end would fold into one. */
function boundedRef(ref: string): string | null {
  const clean = cleanLine(ref, ref.length)
  if (clean.length <= MAX_REF) return clean || null
  return `${clean.slice(0, MAX_REF - 65)}~${hash('sha256', clean, 'hex')}`
}

function findingInfo(
  reading: Reading,
  title: string,
  description: string | null,
  techniques: string[],
): OcsfFinding['finding_info'] {
  const { facts } = reading
  const info: OcsfFinding['finding_info'] = { title }
  put(info, 'uid', facts.ref ? (boundedRef(facts.ref) ?? undefined) : undefined)
  put(info, 'desc', description ?? undefined)
  if (reading.types.length > 0) info.types = reading.types.slice(0, MAX_LIST).map((type) => cleanLine(type, 200))
  const attacks = attacksOf(techniques, reading.tacticTexts)
  if (attacks.length > 0) info.attacks = attacks
  const ruleName = line(facts.ruleName)
  const ruleId = line(facts.ruleId)
  if (ruleName || ruleId) {
    const analytic: NonNullable<typeof info.analytic> = { type_id: 1 }
    put(analytic, 'uid', ruleId)
    put(analytic, 'name', ruleName)
    info.analytic = analytic
  }
  put(info, 'created_time', facts.time?.getTime())
  put(info, 'first_seen_time', facts.firstSeen?.getTime())
  put(info, 'last_seen_time', facts.lastSeen?.getTime())
  put(info, 'src_url', facts.link ? cleanLine(facts.link, 2048) : undefined)
  return info
}

function deviceOf(facts: Facts): OcsfFinding['device'] {
  const device: NonNullable<OcsfFinding['device']> = {}
  put(device, 'hostname', line(facts.hostName))
  put(device, 'ip', line(facts.hostIp))
  put(device, 'uid', line(facts.hostId))
  put(device, 'mac', line(facts.hostMac))
  const os = line(facts.hostOs)
  if (os) device.os = { name: os }
  return filled(device)
}

function actorOf(facts: Facts): OcsfFinding['actor'] {
  const user: NonNullable<OcsfFinding['actor']>['user'] = {}
  put(user, 'name', line(facts.userName))
  put(user, 'uid', line(facts.userId))
  put(user, 'email_addr', line(facts.userEmail))
  put(user, 'domain', line(facts.userDomain))
  return filled(user) ? { user } : undefined
}

/** Builds the normalized alert, bounded and JSON-safe whatever the facts were. */
export function buildAlert(reading: Reading): NormalizedAlert {
  const { facts, severity } = reading
  const title =
    cleanLine(facts.title ?? '', MAX_TITLE) ||
    cleanLine(facts.ruleName ?? '', MAX_TITLE) ||
    cleanLine(reading.types[0] ?? '', MAX_TITLE) ||
    `${reading.product} alert`
  const description = facts.description ? cleanText(facts.description, MAX_DESCRIPTION) || null : null
  const techniques = reading.techniqueTexts.length > 0 ? findTechniques(reading.techniqueTexts.join(' ')) : []
  const occurredAt = facts.time ?? facts.lastSeen ?? facts.firstSeen ?? null
  const status = STATUS[reading.status]
  const sourceRef = facts.ref ? boundedRef(facts.ref) : null
  const finding: OcsfFinding = {
    class_uid: 2004,
    class_name: 'Detection Finding',
    category_uid: 2,
    category_name: 'Findings',
    activity_id: status.activity,
    type_uid: 200_400 + status.activity,
    severity_id: SEVERITY_IDS[severity],
    severity: SEVERITY_CAPTIONS[severity],
    time: (occurredAt ?? reading.receivedAt).getTime(),
    status_id: status.id,
    message: title,
    is_alert: reading.isAlert,
    finding_info: findingInfo(reading, title, description, techniques),
    metadata: {
      version: OCSF_VERSION,
      product: { name: cleanLine(reading.product, 200), vendor_name: cleanLine(reading.vendor, 200) },
    },
  }
  if ('caption' in status) finding.status = status.caption
  if (sourceRef) finding.metadata.uid = sourceRef
  const device = deviceOf(facts)
  if (device) finding.device = device
  const actor = actorOf(facts)
  if (actor) finding.actor = actor
  const evidence = evidenceOf(facts)
  if (evidence) finding.evidences = [evidence]
  const observables = observablesOf(facts)
  if (observables.length > 0) finding.observables = observables
  if (reading.unmapped) finding.unmapped = reading.unmapped
  return {
    title,
    description,
    severity,
    sourceRef,
    occurredAt,
    finding,
    techniques,
    fingerprint: fingerprintOf(reading, title),
  }
}
