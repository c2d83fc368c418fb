import { isObject } from './json.ts'
import type { Severity } from './normalized-alert.ts'
import { tableAdapter } from './table.ts'

/** Wazuh alerts (alerts.json, the integrator's webhook, or an indexer hit with `_source`). */

/** Rule levels 0–15 in the bands of Wazuh's own dashboard; 0–3 are noise by its rule classification. */
function ofLevel(level: number | null): Severity {
  if (level === null) return 'medium'
  if (level >= 15) return 'critical'
  if (level >= 12) return 'high'
  if (level >= 7) return 'medium'
  return level >= 4 ? 'low' : 'informational'
}

export const wazuh = tableAdapter({
  type: 'wazuh',
  label: 'Wazuh',
  vendor: 'Wazuh',
  product: 'Wazuh',
  setUp:
    'Add an <integration> to ossec.conf whose custom script posts the alert file to this address with the token as Bearer.',
  unwrap: (payload) => [
    isObject(payload['_source'])
      ? payload['_source']
      : isObject(payload['all_fields'])
        ? payload['all_fields']
        : payload,
  ],
  matches: (payload) =>
    isObject(payload['rule']) &&
    payload['rule']['level'] !== undefined &&
    (isObject(payload['agent']) || isObject(payload['manager']) || typeof payload['location'] === 'string'),
  text: {
    title: ['rule.description'],
    description: ['full_log'],
    ref: ['id'],
    ruleId: ['rule.id'],
    ruleName: ['rule.description'],
    hostName: ['agent.name', 'predecoder.hostname'],
    hostIp: ['agent.ip'],
    hostId: ['agent.id'],
    userName: [
      'data.dstuser',
      'data.srcuser',
      'data.win.eventdata.targetUserName',
      'data.win.eventdata.user',
      'data.win.eventdata.subjectUserName',
      'data.audit.auid',
      'syscheck.uname_after',
      'data.aws.userIdentity.userName',
    ],
    srcIp: [
      'data.srcip',
      'data.src_ip',
      'data.win.eventdata.ipAddress',
      'data.win.eventdata.sourceIp',
      'data.aws.sourceIPAddress',
    ],
    srcPort: ['data.srcport', 'data.src_port'],
    dstIp: ['data.dstip', 'data.dest_ip', 'data.win.eventdata.destinationIp'],
    dstPort: ['data.dstport', 'data.dest_port'],
    url: ['data.url'],
    query: ['data.dns.rrname', 'data.win.eventdata.queryName'],
    processName: ['data.process.name'],
    processPath: ['data.win.eventdata.image', 'data.win.eventdata.newProcessName', 'data.audit.exe'],
    processCommand: ['data.win.eventdata.commandLine', 'data.audit.command'],
    parentName: ['data.win.eventdata.parentImage'],
    filePath: ['syscheck.path', 'data.win.eventdata.targetFilename', 'data.virustotal.source.file'],
    md5: ['syscheck.md5_after', 'data.virustotal.source.md5'],
    sha1: ['syscheck.sha1_after', 'data.virustotal.source.sha1'],
    sha256: ['syscheck.sha256_after'],
  },
  times: { time: ['timestamp', '@timestamp'] },
  types: ['rule.groups'],
  techniques: ['rule.mitre.id'],
  tactics: ['rule.mitre.tactic'],
  severity: (read) => ofLevel(read.number('rule.level')),
  derive: (read) => ({ title: read.text('rule.description') ?? `Wazuh rule ${read.text('rule.id') ?? ''}`.trim() }),
})
