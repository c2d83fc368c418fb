import { isObject } from './json.ts'
import type { JsonObject, Severity } from './normalized-alert.ts'
import { severityOfWord } from './severity.ts'
import { type Reader, tableAdapter } from './table.ts'

/**
 * Palo Alto Networks Cortex XDR: alerts (`alert_id`), their events (`actor_process_…`), incidents, and API pages
 * (`reply.alerts`, `reply.incidents`). Severities come as words or as `SEV_040_HIGH`.
 */

function unwrap(payload: JsonObject): readonly unknown[] {
  const reply = isObject(payload['reply']) ? payload['reply'] : payload
  const list =
    reply['alerts'] ?? reply['incidents'] ?? (isObject(reply['alerts']) ? reply['alerts']['data'] : undefined)
  if (Array.isArray(list) && list.length > 0 && payload['incident_id'] === undefined) return list
  return isObject(list) && Array.isArray(list['data']) ? list['data'] : [payload]
}

function severity(read: Reader): Severity {
  const stated = severityOfWord(read.text('severity', 'alert_severity') ?? '')
  return stated ?? (isAlert(read) ? 'medium' : 'informational')
}

function isAlert(read: Reader): boolean {
  return read.text('alert_id', 'incident_id', 'external_id', 'severity') !== null
}

function status(read: Reader) {
  const stated = (read.text('resolution_status', 'status') ?? '').toLowerCase()
  if (/resolved/.test(stated)) return 'resolved' as const
  return /under_investigation|progress/.test(stated) ? ('in-progress' as const) : ('new' as const)
}

export const cortexXdr = tableAdapter({
  type: 'cortex-xdr',
  label: 'Palo Alto Cortex XDR',
  vendor: 'Palo Alto Networks',
  product: 'Cortex XDR',
  setUp:
    'Under Settings, Integrations, External applications add a webhook to this address and a notification rule for alerts, or post the pages of get_alerts.',
  unwrap,
  matches: (payload) =>
    (payload['alert_id'] !== undefined &&
      (payload['detection_timestamp'] !== undefined ||
        payload['matching_status'] !== undefined ||
        payload['endpoint_id'] !== undefined)) ||
    payload['actor_process_image_name'] !== undefined ||
    payload['action_external_hostname'] !== undefined ||
    (payload['incident_id'] !== undefined && payload['alert_count'] !== undefined),
  text: {
    title: ['name', 'alert_name', 'incident_name', 'event_type'],
    description: ['description'],
    ref: ['alert_id', 'external_id', 'incident_id', 'event_id'],
    link: ['alert_link', 'xdr_url'],
    ruleId: ['matching_service_rule_id', 'bioc_indicator', 'filter_rule_id'],
    ruleName: ['name', 'alert_name'],
    hostName: ['host_name', 'agent_hostname', 'events.agent_hostname', 'hosts', 'agent_fqdn'],
    hostIp: ['host_ip', 'agent_ip_addresses', 'events.agent_ip_addresses'],
    hostId: ['endpoint_id', 'agent_id'],
    hostMac: ['mac', 'mac_addresses'],
    hostOs: ['agent_os_sub_type', 'agent_os_type'],
    userName: ['user_name', 'actor_effective_username', 'events.user_name', 'users', 'os_actor_effective_username'],
    srcIp: ['action_local_ip', 'events.action_local_ip'],
    srcPort: ['action_local_port', 'events.action_local_port'],
    dstIp: ['action_remote_ip', 'events.action_remote_ip'],
    dstPort: ['action_remote_port', 'events.action_remote_port'],
    dstHost: ['action_external_hostname', 'events.action_external_hostname'],
    query: ['dns_query_name', 'events.dns_query_name'],
    processName: ['actor_process_image_name', 'events.actor_process_image_name', 'action_process_image_name'],
    processPath: ['actor_process_image_path', 'events.actor_process_image_path'],
    processCommand: [
      'actor_process_command_line',
      'events.actor_process_command_line',
      'action_process_image_command_line',
    ],
    processId: ['actor_process_os_pid', 'events.actor_process_os_pid'],
    parentName: ['causality_actor_process_image_name', 'events.causality_actor_process_image_name'],
    fileName: ['action_file_name', 'events.action_file_name'],
    filePath: ['action_file_path', 'events.action_file_path'],
    md5: ['action_file_md5', 'events.action_file_md5', 'actor_process_image_md5', 'events.actor_process_image_md5'],
    sha256: [
      'action_file_sha256',
      'events.action_file_sha256',
      'actor_process_image_sha256',
      'events.actor_process_image_sha256',
    ],
    url: ['malicious_urls'],
  },
  times: {
    time: ['detection_timestamp', 'event_timestamp', 'creation_time', 'timestamp', 'local_insert_ts'],
    firstSeen: ['creation_time'],
    lastSeen: ['last_modified_ts', 'modification_time'],
  },
  types: ['category', 'alert_type', 'event_type'],
  techniques: ['mitre_technique_id_and_name', 'mitre_techniques_ids_and_names'],
  tactics: ['mitre_tactic_id_and_name', 'mitre_tactics_ids_and_names'],
  severity,
  status,
  isAlert,
})
