import { isObject } from './json.ts'
import type { JsonObject, Severity } from './normalized-alert.ts'
import { severityOfWord } from './severity.ts'
import { type Reader, tableAdapter } from './table.ts'

/**
 * Wiz issues (webhook with `issue`, `resource` and `control`, or the API's issue with `sourceRule`), threat
 * detections, cloud configuration and vulnerability findings, and audit entries (telemetry). API pages: `nodes`.
 */

function unwrap(payload: JsonObject): readonly unknown[] {
  if (payload['id'] !== undefined) return [payload]
  const data = isObject(payload['data']) ? payload['data'] : payload
  for (const holder of [data, ...Object.values(data)]) {
    if (isObject(holder) && Array.isArray(holder['nodes']) && holder['nodes'].length > 0) return holder['nodes']
  }
  return [payload]
}

function isAudit(read: Reader): boolean {
  return read.text('requestId') !== null && read.text('action') !== null
}

function severity(read: Reader): Severity {
  const stated = severityOfWord(
    read.text('issue.severity', 'severity', 'control.severity', 'vendorSeverity', 'rule.severity') ?? '',
  )
  return stated ?? (isAudit(read) ? 'informational' : 'medium')
}

function status(read: Reader) {
  const stated = (read.text('issue.status', 'status') ?? '').toUpperCase()
  if (stated === 'RESOLVED' || read.text('result') === 'PASS') return 'resolved' as const
  if (stated === 'REJECTED' || stated === 'IGNORED') return 'suppressed' as const
  return stated === 'IN_PROGRESS' ? ('in-progress' as const) : ('new' as const)
}

export const wiz = tableAdapter({
  type: 'wiz',
  label: 'Wiz',
  vendor: 'Wiz',
  product: 'Wiz',
  setUp:
    'Under Settings, Integrations add a webhook to this address with the token, and an automation rule "Issue created" that uses it.',
  unwrap,
  matches: (payload) =>
    (isObject(payload['issue']) &&
      (isObject(payload['control']) || isObject(payload['resource']) || isObject(payload['trigger']))) ||
    isObject(payload['sourceRule']) ||
    isObject(payload['entitySnapshot']) ||
    (typeof payload['severity'] === 'string' &&
      isObject(payload['resource']) &&
      (payload['result'] !== undefined || isObject(payload['rule']))) ||
    payload['type'] === 'GENERATED_THREAT' ||
    (typeof payload['portalUrl'] === 'string' && payload['vulnerableAsset'] !== undefined) ||
    (typeof payload['action'] === 'string' &&
      typeof payload['requestId'] === 'string' &&
      payload['actionParameters'] !== undefined),
  text: {
    title: [
      'control.name',
      'sourceRule.name',
      'sourceRules.name',
      'title',
      'rule.name',
      'ruleName',
      'trigger.ruleName',
      'name',
      'action',
      'detectionRule.name',
    ],
    description: [
      'control.description',
      'description',
      'sourceRule.controlDescription',
      'sourceRule.description',
      'rule.description',
    ],
    ref: ['issue.id', 'id'],
    link: ['issue.url', 'url', 'portalUrl', 'issueURL'],
    ruleId: ['control.id', 'sourceRule.id', 'sourceRules.id', 'rule.id', 'trigger.ruleId'],
    ruleName: ['control.name', 'sourceRule.name', 'sourceRules.name', 'rule.name', 'trigger.ruleName'],
    hostName: ['resource.name', 'entitySnapshot.name', 'resources.name', 'vulnerableAsset.name'],
    hostId: ['resource.id', 'entitySnapshot.providerId', 'resources.providerUniqueId', 'vulnerableAsset.id'],
    userName: ['user.name', 'serviceAccount.name', 'actors.name', 'actor.name'],
    userEmail: ['user.email', 'actionParameters.userEmail', 'actors.email'],
    userId: ['user.id', 'serviceAccount.id', 'actors.id'],
    srcIp: ['sourceIP', 'actors.ip', 'actorIP'],
  },
  times: {
    time: [
      'issue.created',
      'issue.createdAt',
      'createdAt',
      'timestamp',
      'firstSeenAt',
      'analyzedAt',
      'firstDetectedAt',
    ],
    firstSeen: ['firstSeenAt', 'firstDetectedAt', 'createdAt'],
    lastSeen: ['updatedAt', 'lastDetectedAt', 'lastSeenAt'],
  },
  types: ['type', 'trigger.type', 'entitySnapshot.type', 'sourceRule.securitySubCategories.title'],
  techniques: [
    'mitreTechniques',
    'rule.securitySubCategories.title',
    'sourceRule.securitySubCategories.title',
    'triggeringEvents.mitreTechniques',
    'MITRETechniques',
  ],
  tactics: ['mitreTactics', 'MITRETactics'],
  severity,
  status,
  isAlert: (read) => !isAudit(read),
})
