import { isObject } from './json.ts'
import type { JsonObject, Severity } from './normalized-alert.ts'
import { type Reader, tableAdapter } from './table.ts'

/**
 * Okta System Log events, one by one or inside an event hook (`data.events`). Most are telemetry (a sign-in);
 * Okta's own detections (`security.*`, a suspected threat, a user's report) are alerts.
 */

const BY_WORD: Readonly<Record<string, Severity>> = {
  DEBUG: 'informational',
  INFO: 'informational',
  WARN: 'medium',
  ERROR: 'high',
}

function isThreat(read: Reader): boolean {
  const type = read.text('eventType') ?? ''
  return (
    /^security\.(?:threat|attack|breached|session\.detect|request\.blocked)|suspicious_activity|account\.report|^user\.risk\.detect|policy\.entity_risk/.test(
      type,
    ) || read.text('debugContext.debugData.threatSuspected') === 'true'
  )
}

function severity(read: Reader): Severity {
  const stated = BY_WORD[(read.text('severity') ?? 'INFO').toUpperCase()] ?? 'medium'
  // Okta logs a suspected threat as INFO or WARN like any sign-in.
  return stated === 'informational' && isThreat(read) ? 'medium' : stated
}

function unwrap(payload: JsonObject): readonly unknown[] {
  const events = isObject(payload['data']) ? payload['data']['events'] : undefined
  return Array.isArray(events) && events.length > 0 ? events : [payload]
}

function emailOf(value: string | null): string | null {
  return value?.includes('@') ? value : null
}

export const okta = tableAdapter({
  type: 'okta',
  label: 'Okta System Log',
  vendor: 'Okta',
  product: 'Okta System Log',
  setUp:
    'Make an event hook to this address with the header Authorization: Bearer <token>, or post the pages of /api/v1/logs.',
  unwrap,
  matches: (payload) =>
    typeof payload['eventType'] === 'string' &&
    isObject(payload['actor']) &&
    (typeof payload['uuid'] === 'string' || typeof payload['published'] === 'string'),
  text: {
    title: ['displayMessage', 'eventType'],
    description: ['outcome.reason'],
    ref: ['uuid'],
    ruleId: ['eventType'],
    ruleName: ['eventType'],
    hostName: ['device.name'],
    hostId: ['device.id'],
    userName: ['actor.alternateId', 'actor.displayName'],
    userId: ['actor.id'],
    srcIp: ['client.ipAddress'],
    srcHost: ['securityContext.domain'],
    url: ['debugContext.debugData.url'],
  },
  times: { time: ['published'] },
  types: ['eventType'],
  severity,
  isAlert: isThreat,
  derive(read) {
    const url = read.text('debugContext.debugData.url')
    return { userEmail: emailOf(read.text('actor.alternateId')), url: url?.includes('://') ? url : null }
  },
})
