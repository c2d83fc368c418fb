import { isObject } from './json.ts'
import type { Severity } from './normalized-alert.ts'
import { severityOfHundred, severityOfWord } from './severity.ts'
import { type Reader, tableAdapter } from './table.ts'

/**
 * CrowdStrike Falcon: Alerts API v2, Event Streams (`{metadata, event}`), the older detections API, and Falcon Data
 * Replicator telemetry. Audit and telemetry events are kept with `is_alert: false`.
 */

/** Event Streams `Severity` 1–5; the alerts API counts to 100. */
const FIVE: readonly Severity[] = ['informational', 'informational', 'low', 'medium', 'high', 'critical']

function severity(read: Reader): Severity {
  const word = read.text(
    'severity_name',
    'event.SeverityName',
    'max_severity_displayname',
    'event.severity_name',
    'behaviors.severity_name',
  )
  const named = word === null ? null : severityOfWord(word)
  if (named) return named
  const score = read.number('severity', 'event.Severity', 'max_severity', 'event.severity', 'behaviors.severity')
  if (score === null) return isDetection(read) ? 'medium' : 'informational'
  const stream = read.text('metadata.eventType')
  return stream === 'DetectionSummaryEvent' && score <= 5 ? (FIVE[score] ?? 'medium') : severityOfHundred(score)
}

function isDetection(read: Reader): boolean {
  const stream = read.text('metadata.eventType')
  if (stream !== null) return /Detection|Incident|Alert|MobileDet|ScheduledReportNotification/i.test(stream)
  return read.text('event_simpleName') === null
}

function status(read: Reader) {
  const stated = (read.text('status', 'event.Status') ?? 'new').toLowerCase()
  if (/closed|true_positive|false_positive|ignored|resolved/.test(stated)) return 'resolved' as const
  return /in_progress|reopened/.test(stated) ? ('in-progress' as const) : ('new' as const)
}

export const crowdstrike = tableAdapter({
  type: 'crowdstrike',
  label: 'CrowdStrike Falcon',
  vendor: 'CrowdStrike',
  product: 'Falcon',
  setUp:
    'In Falcon Fusion SOAR make a workflow on "Alert" with the action "Call webhook" to this address, or forward the Event Streams API as NDJSON.',
  unwrap: (payload) => (Array.isArray(payload['resources']) ? payload['resources'] : [payload]),
  matches: (payload) =>
    (isObject(payload['metadata']) &&
      isObject(payload['event']) &&
      typeof payload['metadata']['eventType'] === 'string') ||
    typeof payload['composite_id'] === 'string' ||
    typeof payload['detection_id'] === 'string' ||
    typeof payload['falcon_host_link'] === 'string' ||
    typeof payload['event_simpleName'] === 'string',
  text: {
    title: [
      'display_name',
      'event.DetectName',
      'event.Name',
      'behaviors.display_name',
      'name',
      'event.OperationName',
      'behaviors.scenario',
      'event_simpleName',
      'metadata.eventType',
    ],
    description: ['description', 'event.DetectDescription', 'event.Description', 'behaviors.description'],
    ref: [
      'composite_id',
      'event.CompositeId',
      'event.DetectId',
      'event.IncidentId',
      'event.FineScore.Id',
      'detection_id',
      'id',
    ],
    link: ['falcon_host_link', 'event.FalconHostLink'],
    ruleId: ['pattern_id', 'event.PatternId'],
    ruleName: ['display_name', 'event.DetectName', 'scenario', 'event.PatternDispositionDescription'],
    hostName: [
      'device.hostname',
      'event.ComputerName',
      'event.Hostname',
      'event.HostName',
      'ComputerName',
      'source_endpoint_host_name',
    ],
    hostIp: ['device.local_ip', 'event.LocalIP', 'device.external_ip', 'aip'],
    hostId: ['device.device_id', 'agent_id', 'event.SensorId', 'event.AgentIdString', 'aid'],
    hostMac: ['device.mac_address', 'event.MACAddress'],
    hostOs: ['device.os_version', 'device.platform_name', 'event.PlatformName', 'event_platform'],
    userName: ['user_name', 'event.UserName', 'behaviors.user_name', 'source_account_name', 'event.UserId', 'UserName'],
    userId: ['user_id', 'behaviors.user_id', 'UserSid'],
    userDomain: ['event.MachineDomain', 'device.machine_domain'],
    srcIp: ['event.UserIp', 'event.SourceEndpointIpAddress', 'source_endpoint_address_ip4', 'event.SourceIpAddress'],
    dstIp: ['event.NetworkAccesses.RemoteAddress', 'network_accesses.remote_address'],
    dstPort: ['event.NetworkAccesses.RemotePort', 'network_accesses.remote_port'],
    processName: ['filename', 'event.FileName', 'behaviors.filename', 'FileName'],
    processPath: ['filepath', 'event.FilePath', 'behaviors.filepath', 'ImageFileName'],
    processCommand: ['cmdline', 'event.CommandLine', 'behaviors.cmdline', 'CommandLine'],
    processId: ['process_id', 'event.ProcessId'],
    parentName: ['parent_details.filename', 'event.ParentImageFileName', 'ParentBaseFileName'],
    md5: ['md5', 'event.MD5String', 'behaviors.md5', 'MD5HashData'],
    sha1: ['event.SHA1String', 'sha1'],
    sha256: ['sha256', 'event.SHA256String', 'behaviors.sha256', 'SHA256HashData'],
    url: ['event.IOCValue'],
  },
  times: {
    time: [
      'timestamp',
      'event.ProcessStartTime',
      'event.UTCTimestamp',
      'created_timestamp',
      'metadata.eventCreationTime',
      'created_at',
    ],
    firstSeen: ['first_behavior', 'event.ProcessStartTime', 'context_timestamp'],
    lastSeen: ['last_behavior', 'updated_timestamp'],
  },
  types: ['type', 'metadata.eventType', 'objective', 'event.Objective'],
  techniques: ['technique_id', 'event.MitreAttack.TechniqueID', 'behaviors.technique_id', 'mitre_attack.technique_id'],
  tactics: ['tactic', 'event.Tactic', 'behaviors.tactic', 'event.MitreAttack.Tactic'],
  severity,
  status,
  isAlert: isDetection,
  derive(read) {
    const ioc = read.text('event.IOCValue')
    return ioc !== null && !ioc.includes('://') ? { url: null } : {}
  },
})
