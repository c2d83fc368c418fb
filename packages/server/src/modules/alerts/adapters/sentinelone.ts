import { isObject } from './json.ts'
import type { Severity } from './normalized-alert.ts'
import { severityOfWord } from './severity.ts'
import { type Reader, tableAdapter } from './table.ts'

/** SentinelOne threats (`threatInfo`), custom-detection alerts (`alertInfo`, `ruleInfo`), and API pages (`data`). */

/** A threat has a confidence, not a severity: malicious is high, suspicious medium; a verdict overrules both. */
function severity(read: Reader): Severity {
  if (read.text('threatInfo.analystVerdict', 'alertInfo.analystVerdict') === 'false_positive') return 'informational'
  const stated = read.text('ruleInfo.severity', 'severity', 'alertInfo.severity')
  const named = stated === null ? null : severityOfWord(stated)
  if (named) return named
  const confidence = read.text('threatInfo.confidenceLevel')?.toLowerCase()
  if (confidence === 'malicious')
    return /ransom/i.test(read.text('threatInfo.classification') ?? '') ? 'critical' : 'high'
  return 'medium'
}

function status(read: Reader) {
  const stated = (read.text('threatInfo.incidentStatus', 'alertInfo.incidentStatus', 'status') ?? '').toLowerCase()
  if (stated === 'resolved') return 'resolved' as const
  return stated.replace(/[_ ]/g, '') === 'inprogress' ? ('in-progress' as const) : ('new' as const)
}

export const sentinelone = tableAdapter({
  type: 'sentinelone',
  label: 'SentinelOne',
  vendor: 'SentinelOne',
  product: 'Singularity',
  setUp:
    'In Singularity Marketplace add a webhook for threats and alerts to this address, or post the pages of /threats and /cloud-detection/alerts.',
  unwrap: (payload) =>
    Array.isArray(payload['data']) ? payload['data'] : isObject(payload['data']) ? [payload['data']] : [payload],
  matches: (payload) =>
    isObject(payload['threatInfo']) || (isObject(payload['alertInfo']) && isObject(payload['ruleInfo'])),
  text: {
    title: ['threatInfo.threatName', 'ruleInfo.name'],
    description: ['ruleInfo.description', 'threatInfo.classification', 'indicators.description'],
    ref: ['threatInfo.threatId', 'alertInfo.alertId', 'id'],
    ruleId: ['ruleInfo.id'],
    ruleName: ['ruleInfo.name', 'threatInfo.threatName'],
    hostName: [
      'agentRealtimeInfo.agentComputerName',
      'agentDetectionInfo.name',
      'agentRealtimeInfo.name',
      'agentDetectionInfo.agentComputerName',
    ],
    hostIp: ['agentDetectionInfo.agentIpV4', 'agentDetectionInfo.externalIp'],
    hostId: [
      'agentRealtimeInfo.agentUuid',
      'agentDetectionInfo.uuid',
      'agentDetectionInfo.agentUuid',
      'agentRealtimeInfo.agentId',
    ],
    hostOs: ['agentRealtimeInfo.agentOsName', 'agentDetectionInfo.osName', 'agentDetectionInfo.agentOsName'],
    userName: [
      'threatInfo.processUser',
      'sourceProcessInfo.user',
      'agentDetectionInfo.agentLastLoggedInUserName',
      'alertInfo.loginsUserName',
    ],
    srcIp: ['alertInfo.srcIp', 'alertInfo.srcMachineIp'],
    srcPort: ['alertInfo.srcPort'],
    dstIp: ['alertInfo.dstIp'],
    dstPort: ['alertInfo.dstPort'],
    query: ['alertInfo.dnsRequest'],
    processName: ['sourceProcessInfo.name', 'threatInfo.originatorProcess'],
    processPath: ['sourceProcessInfo.filePath'],
    processCommand: ['sourceProcessInfo.commandline', 'threatInfo.maliciousProcessArguments'],
    processId: ['sourceProcessInfo.pid'],
    parentName: ['sourceParentProcessInfo.name'],
    fileName: ['threatInfo.fileName', 'threatInfo.threatName'],
    filePath: ['threatInfo.filePath', 'targetProcessInfo.tgtFilePath'],
    md5: ['threatInfo.md5', 'sourceProcessInfo.fileHashMd5'],
    sha1: ['threatInfo.sha1', 'sourceProcessInfo.fileHashSha1'],
    sha256: ['threatInfo.sha256', 'sourceProcessInfo.fileHashSha256'],
  },
  times: {
    time: ['threatInfo.identifiedAt', 'alertInfo.createdAt', 'threatInfo.createdAt', 'alertInfo.reportedAt'],
    firstSeen: ['threatInfo.createdAt'],
    lastSeen: ['threatInfo.updatedAt', 'alertInfo.updatedAt'],
  },
  types: ['threatInfo.classification', 'alertInfo.eventType'],
  techniques: [
    'indicators.tactics.techniques.name',
    'indicators.tactics.techniques.link',
    'ruleInfo.description',
    'ruleInfo.name',
  ],
  tactics: ['indicators.tactics.name'],
  severity,
  status,
})
