import { isObject } from './json.ts'
import type { Severity } from './normalized-alert.ts'
import { severityOfWord } from './severity.ts'
import { type Reader, tableAdapter } from './table.ts'

/**
 * Suricata EVE JSON.
 *
 * `alert` and `drop` events with a signature are alerts; `anomaly` is kept as low. All other event types (dns,
 * flow, http, tls, fileinfo, stats, …) are telemetry: they are kept, because what was acknowledged is not thrown
 * away, but as informational with `is_alert: false` and without a vendor id, so that repetitions between the same
 * hosts fold into one line instead of flooding the inbox. Point only `alert` and `anomaly` here if you can.
 *
 * EVE has no id of its own for an alert. A signature in one flow is one alert: `flow_id:gid:signature_id`, with the
 * 64-bit flow id exact.
 */

/** Classification priority 1–4 (classification.config): 1 is the most urgent. */
const BY_PRIORITY: Readonly<Record<string, Severity>> = { 1: 'high', 2: 'medium', 3: 'low' }

function severity(read: Reader): Severity {
  const kind = read.text('event_type')
  if (kind === 'anomaly') return 'low'
  const priority = read.text('alert.severity')
  if (priority === null) return 'informational'
  // Emerging Threats rules carry their author's own word, which is finer than the classification's priority.
  const stated = read.text('alert.metadata.signature_severity')
  return (stated === null ? null : severityOfWord(stated)) ?? BY_PRIORITY[priority] ?? 'informational'
}

const SUBJECTS: readonly (readonly string[])[] = [
  ['dns.rrname', 'dns.queries.rrname', 'dns.query.rrname'],
  ['tls.sni', 'tls.subject'],
  ['http.hostname'],
  ['fileinfo.filename'],
  ['ssh.client.software_version'],
  ['smb.command'],
]

function telemetryTitle(read: Reader, kind: string): string {
  for (const paths of SUBJECTS) {
    const subject = read.text(...paths)
    if (subject) return `Suricata ${kind}: ${subject}`
  }
  return `Suricata ${kind}`
}

function refOf(read: Reader): string | null {
  const flow = read.text('flow_id')
  const signature = read.text('alert.signature_id')
  return flow && signature ? `${flow}:${read.text('alert.gid') ?? '1'}:${signature}` : null
}

export const suricata = tableAdapter({
  type: 'suricata',
  label: 'Suricata EVE',
  vendor: 'OISF',
  product: 'Suricata',
  setUp:
    'Send eve.json with a log shipper (Vector, Fluent Bit) as NDJSON over HTTP POST; ship event types alert and anomaly.',
  matches: (payload) =>
    (isObject(payload['alert']) && payload['alert']['signature_id'] !== undefined) ||
    (typeof payload['event_type'] === 'string' &&
      (typeof payload['src_ip'] === 'string' ||
        payload['flow_id'] !== undefined ||
        typeof payload['stats'] === 'object' ||
        typeof payload['anomaly'] === 'object')),
  text: {
    title: ['alert.signature'],
    description: ['alert.category'],
    ruleId: ['alert.signature_id', 'anomaly.event', 'anomaly.type'],
    ruleName: ['alert.signature'],
    hostName: ['host'],
    srcIp: ['src_ip'],
    srcPort: ['src_port'],
    srcMac: ['ether.src_mac'],
    dstIp: ['dest_ip'],
    dstPort: ['dest_port'],
    dstMac: ['ether.dest_mac'],
    dstHost: ['tls.sni', 'http.hostname'],
    query: ['dns.rrname', 'dns.queries.rrname', 'dns.query.rrname'],
    fileName: ['fileinfo.filename', 'files.filename'],
    md5: ['fileinfo.md5', 'files.md5'],
    sha1: ['fileinfo.sha1', 'files.sha1'],
    sha256: ['fileinfo.sha256', 'files.sha256'],
    userName: ['smb.ntlmssp.user', 'krb5.cname'],
  },
  times: { time: ['timestamp', '@timestamp'], firstSeen: ['flow.start'] },
  types: ['alert.category', 'anomaly.type'],
  techniques: ['alert.metadata.mitre_technique_id', 'alert.metadata.mitre_technique'],
  tactics: ['alert.metadata.mitre_tactic_id', 'alert.metadata.mitre_tactic_name'],
  severity,
  isAlert: (read) => read.text('alert.signature') !== null || read.text('event_type') === 'anomaly',
  derive(read) {
    if (read.text('alert.signature') !== null) return { ref: refOf(read) }
    const kind = read.text('event_type') ?? 'event'
    if (kind === 'anomaly')
      return { title: `Suricata anomaly: ${read.text('anomaly.event', 'anomaly.type') ?? 'unnamed'}` }
    return { title: telemetryTitle(read, kind) }
  },
})
