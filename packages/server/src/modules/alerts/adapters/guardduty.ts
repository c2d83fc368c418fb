import { isObject, parsePayload } from './json.ts'
import type { JsonObject, Severity } from './normalized-alert.ts'
import { tableAdapter } from './table.ts'

/**
 * AWS GuardDuty findings as exported to S3 (camelCase), from the API (PascalCase), inside an EventBridge event
 * (`detail`), or inside an SNS notification (`Message`).
 */

/** 1.0–3.9 low, 4.0–6.9 medium, 7.0–8.9 high, 9.0–10 critical (GuardDuty user guide, finding severity levels). */
function ofScore(score: number | null): Severity {
  if (score === null) return 'medium'
  if (score >= 9) return 'critical'
  if (score >= 7) return 'high'
  return score >= 4 ? 'medium' : 'low'
}

function message(payload: JsonObject): JsonObject {
  const text = payload['Message']
  if (typeof text !== 'string' || !text.trimStart().startsWith('{')) return payload
  try {
    const inner = parsePayload(text)
    return isObject(inner) ? inner : payload
  } catch {
    return payload
  }
}

function unwrap(payload: JsonObject): readonly unknown[] {
  const event = message(payload)
  if (isObject(event['detail'])) return [event['detail']]
  const list = event['Findings'] ?? event['findings']
  return Array.isArray(list) && list.length > 0 ? list : [event]
}

const INSTANCE = 'resource.instanceDetails.networkInterfaces'
const ACTION = 'service.action'
const API_INSTANCE = 'Resource.InstanceDetails.NetworkInterfaces'
const API_ACTION = 'Service.Action'

export const guardduty = tableAdapter({
  type: 'guardduty',
  label: 'AWS GuardDuty',
  vendor: 'AWS',
  product: 'GuardDuty',
  setUp:
    'Make an EventBridge rule for "GuardDuty Finding" with an API destination to this address and the token as its Authorization header.',
  unwrap,
  matches: (payload) => {
    const type = payload['type'] ?? payload['Type']
    return (
      typeof type === 'string' &&
      /^[A-Za-z]+:[\w/.!-]+$/.test(type) &&
      (isObject(payload['service']) || isObject(payload['Service']))
    )
  },
  text: {
    title: ['title', 'Title', 'type', 'Type'],
    description: ['description', 'Description'],
    ref: ['id', 'Id', 'arn', 'Arn'],
    ruleId: ['type', 'Type'],
    ruleName: ['type', 'Type'],
    hostId: [
      'resource.instanceDetails.instanceId',
      'Resource.InstanceDetails.InstanceId',
      'resource.eksClusterDetails.name',
    ],
    hostIp: [
      `${INSTANCE}.publicIp`,
      `${INSTANCE}.privateIpAddress`,
      `${API_INSTANCE}.PublicIp`,
      `${API_INSTANCE}.PrivateIpAddress`,
    ],
    userName: [
      'resource.accessKeyDetails.userName',
      'Resource.AccessKeyDetails.UserName',
      'resource.kubernetesDetails.kubernetesUserDetails.username',
    ],
    userId: ['resource.accessKeyDetails.principalId', 'Resource.AccessKeyDetails.PrincipalId'],
    srcIp: [
      `${ACTION}.awsApiCallAction.remoteIpDetails.ipAddressV4`,
      `${ACTION}.portProbeAction.portProbeDetails.remoteIpDetails.ipAddressV4`,
      `${ACTION}.kubernetesApiCallAction.remoteIpDetails.ipAddressV4`,
      `${ACTION}.rdsLoginAttemptAction.remoteIpDetails.ipAddressV4`,
      `${API_ACTION}.AwsApiCallAction.RemoteIpDetails.IpAddressV4`,
      `${API_ACTION}.PortProbeAction.PortProbeDetails.RemoteIpDetails.IpAddressV4`,
    ],
    dstIp: [
      `${ACTION}.networkConnectionAction.remoteIpDetails.ipAddressV4`,
      `${API_ACTION}.NetworkConnectionAction.RemoteIpDetails.IpAddressV4`,
    ],
    dstPort: [`${ACTION}.networkConnectionAction.remotePortDetails.port`],
    query: [`${ACTION}.dnsRequestAction.domain`, `${API_ACTION}.DnsRequestAction.Domain`],
    processName: ['service.runtimeDetails.process.name'],
    processPath: ['service.runtimeDetails.process.executablePath'],
    sha256: ['service.runtimeDetails.process.executableSha256'],
  },
  times: {
    time: ['updatedAt', 'UpdatedAt', 'service.eventLastSeen', 'createdAt', 'CreatedAt'],
    firstSeen: ['service.eventFirstSeen', 'Service.EventFirstSeen', 'createdAt', 'CreatedAt'],
    lastSeen: ['service.eventLastSeen', 'Service.EventLastSeen'],
  },
  types: ['type', 'Type'],
  techniques: [
    'service.detection.sequence.indicators.values',
    'service.detection.sequence.signals.signalIndicators.values',
  ],
  severity: (read) => ofScore(read.number('severity', 'Severity')),
  status: (read) => (read.text('service.archived', 'Service.Archived') === 'true' ? 'suppressed' : 'new'),
})
