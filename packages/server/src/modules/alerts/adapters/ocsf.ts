import type { Severity } from './normalized-alert.ts'
import { severityOfWord } from './severity.ts'
import { type Reader, tableAdapter } from './table.ts'

/**
 * OCSF events of any class and version since 1.0. Findings (category 2) are alerts; other classes (network, DNS,
 * authentication, …) are kept as telemetry unless the event says `is_alert`.
 */

/** severity_id: 1 informational … 5 critical, 6 fatal; 0 unknown and 99 other fall back to the caption. */
const BY_ID: Readonly<Record<string, Severity>> = {
  1: 'informational',
  2: 'low',
  3: 'medium',
  4: 'high',
  5: 'critical',
  6: 'critical',
}

function isFinding(read: Reader): boolean {
  const category = read.text('category_uid') ?? read.text('class_uid')?.slice(0, 1)
  return category === '2' || read.text('is_alert') === 'true'
}

function severity(read: Reader): Severity {
  const known = BY_ID[read.text('severity_id') ?? '']
  return known ?? severityOfWord(read.text('severity') ?? '') ?? (isFinding(read) ? 'medium' : 'informational')
}

const STATUS_BY_ID = { 1: 'new', 2: 'in-progress', 3: 'suppressed', 4: 'resolved' } as const

function status(read: Reader) {
  if (!isFinding(read)) return 'unknown' as const
  return STATUS_BY_ID[Number(read.text('status_id', 'state_id')) as keyof typeof STATUS_BY_ID] ?? 'new'
}

export const ocsf = tableAdapter({
  type: 'ocsf',
  label: 'OCSF',
  vendor: 'OCSF',
  product: 'OCSF source',
  setUp:
    'Post OCSF JSON events (Amazon Security Lake subscribers, Security Hub, any OCSF pipeline) singly, as an array or as NDJSON.',
  matches: (payload) =>
    payload['class_uid'] !== undefined && (payload['metadata'] !== undefined || payload['category_uid'] !== undefined),
  text: {
    title: [
      'finding_info.title',
      'finding.title',
      'malware.name',
      'message',
      'type_name',
      'class_name',
      'activity_name',
    ],
    description: ['finding_info.desc', 'finding.desc', 'status_detail', 'message'],
    ref: ['finding_info.uid', 'finding.uid', 'metadata.uid', 'metadata.correlation_uid'],
    link: ['finding_info.src_url', 'finding.src_url'],
    ruleId: ['finding_info.analytic.uid', 'analytic.uid', 'rule.uid', 'firewall_rule.uid'],
    ruleName: ['finding_info.analytic.name', 'analytic.name', 'rule.name', 'firewall_rule.name'],
    hostName: ['device.hostname', 'device.name', 'evidences.device.hostname', 'resources.name'],
    hostIp: ['device.ip'],
    hostId: ['device.uid', 'resources.uid'],
    hostMac: ['device.mac'],
    hostOs: ['device.os.name'],
    userName: ['actor.user.name', 'user.name', 'evidences.actor.user.name'],
    userId: ['actor.user.uid', 'user.uid'],
    userEmail: ['actor.user.email_addr', 'user.email_addr'],
    userDomain: ['actor.user.domain', 'user.domain'],
    srcIp: ['src_endpoint.ip', 'evidences.src_endpoint.ip'],
    srcPort: ['src_endpoint.port', 'evidences.src_endpoint.port'],
    srcHost: ['src_endpoint.hostname', 'evidences.src_endpoint.hostname'],
    srcMac: ['src_endpoint.mac'],
    dstIp: ['dst_endpoint.ip', 'evidences.dst_endpoint.ip'],
    dstPort: ['dst_endpoint.port', 'evidences.dst_endpoint.port'],
    dstHost: ['dst_endpoint.hostname', 'evidences.dst_endpoint.hostname'],
    processName: [
      'process.name',
      'process.file.name',
      'actor.process.name',
      'actor.process.file.name',
      'evidences.process.name',
    ],
    processPath: ['process.file.path', 'actor.process.file.path', 'process.path'],
    processCommand: ['process.cmd_line', 'actor.process.cmd_line', 'evidences.process.cmd_line'],
    processId: ['process.pid', 'actor.process.pid'],
    parentName: ['process.parent_process.name', 'process.parent_process.file.name'],
    fileName: ['file.name', 'evidences.file.name'],
    filePath: ['file.path', 'evidences.file.path'],
    url: ['url.url_string', 'http_request.url.url_string', 'url.text', 'evidences.url.url_string'],
    query: ['query.hostname', 'evidences.query.hostname'],
  },
  times: {
    time: ['time', 'time_dt', 'metadata.original_time'],
    firstSeen: ['finding_info.first_seen_time', 'finding.first_seen_time', 'start_time'],
    lastSeen: ['finding_info.last_seen_time', 'finding.last_seen_time', 'end_time'],
  },
  types: ['finding_info.types', 'finding.types', 'type_name'],
  techniques: [
    'finding_info.attacks.technique.uid',
    'finding_info.attacks.sub_technique.uid',
    'attacks.technique.uid',
    'attacks.sub_technique.uid',
    'finding_info.related_analytics.name',
  ],
  tactics: [
    'finding_info.attacks.tactic.name',
    'attacks.tactic.name',
    'attacks.tactics.name',
    'finding_info.attacks.tactics.name',
  ],
  severity,
  status,
  isAlert: isFinding,
  vendorOf: (read) => read.text('metadata.product.vendor_name'),
  productOf: (read) => read.text('metadata.product.name'),
})
