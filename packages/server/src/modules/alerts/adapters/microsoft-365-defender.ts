import type { Facts } from './facts.ts'
import { isObject } from './json.ts'
import type { JsonObject } from './normalized-alert.ts'
import { at, parsePath, textOf } from './paths.ts'
import { severityOfWord } from './severity.ts'
import { type Reader, tableAdapter } from './table.ts'

/**
 * Microsoft 365 Defender: Graph security alerts (v2, and the older v1 with its `…States` lists), the Defender
 * alerts and incidents APIs, and the streaming API's AlertInfo and AlertEvidence records. Wrappers: Graph pages
 * (`value`), Event Hub batches (`records`), incidents (`alerts`), change notifications (`resourceData`).
 */

function unwrap(payload: JsonObject): readonly unknown[] {
  const list = payload['value'] ?? payload['records']
  if (Array.isArray(list) && list.length > 0) return list.flatMap((item) => (isObject(item) ? unwrap(item) : [item]))
  if (isObject(payload['resourceData']) && payload['resourceData']['title'] !== undefined)
    return [payload['resourceData']]
  const alerts = payload['alerts']
  if (payload['incidentId'] !== undefined && Array.isArray(alerts) && alerts.length > 0) return alerts
  return [payload]
}

const EVIDENCE: Readonly<Partial<Record<keyof Facts, readonly string[]>>> = {
  hostName: ['deviceDnsName', 'hostName', 'DeviceName', 'netBiosName'],
  hostId: ['mdeDeviceId', 'deviceId', 'DeviceId'],
  hostIp: ['lastIpAddress'],
  userName: ['userAccount.accountName', 'accountName', 'AccountName', 'userPrincipalName'],
  userEmail: ['userAccount.userPrincipalName', 'primaryAddress', 'recipientEmailAddress'],
  userDomain: ['userAccount.domainName', 'domainName'],
  dstIp: ['ipAddress', 'RemoteIP'],
  url: ['url', 'RemoteUrl'],
  fileName: ['fileDetails.fileName', 'fileName', 'FileName'],
  filePath: ['fileDetails.filePath', 'filePath'],
  sha1: ['fileDetails.sha1', 'sha1', 'SHA1'],
  sha256: ['fileDetails.sha256', 'sha256', 'SHA256'],
  processName: ['imageFile.fileName'],
  processPath: ['imageFile.filePath'],
  processCommand: ['processCommandLine', 'ProcessCommandLine'],
  parentName: ['parentProcessImageFile.fileName'],
}
const EVIDENCE_PATHS = Object.entries(EVIDENCE).map(
  ([slot, paths]) => [slot as keyof Facts, paths.map(parsePath)] as const,
)

/** Evidence is a list of things of different kinds; the first that has a fact gives it. */
function fromEvidence(read: Reader): Partial<Facts> {
  const facts: Record<string, string> = {}
  const evidence = [read.value('evidence'), read.value('entities')].find((list) => Array.isArray(list))
  if (!Array.isArray(evidence)) return facts
  for (const item of evidence.slice(0, 100)) {
    if (!isObject(item)) continue
    for (const [slot, paths] of EVIDENCE_PATHS) {
      if (facts[slot]) continue
      const found = paths.map((path) => textOf(at(item, path))).find((text) => text !== null)
      if (found) facts[slot] = found
    }
  }
  return facts
}

function status(read: Reader) {
  const stated = (read.text('status') ?? 'new').toLowerCase()
  if (stated.startsWith('resolved') || stated === 'dismissed') return 'resolved' as const
  return stated.startsWith('inprogress') ? ('in-progress' as const) : ('new' as const)
}

export const microsoft365Defender = tableAdapter({
  type: 'microsoft-365-defender',
  label: 'Microsoft 365 Defender / Graph security',
  vendor: 'Microsoft',
  product: 'Microsoft 365 Defender',
  setUp:
    'Forward alerts with a Logic App on "When a Defender alert is created" (HTTP action to this address), or post the pages of Graph /security/alerts_v2.',
  unwrap,
  matches: (payload) => {
    const kind = payload['category']
    if (typeof kind === 'string' && kind.startsWith('AdvancedHunting-')) return isObject(payload['properties'])
    if (typeof payload['title'] !== 'string' || payload['severity'] === undefined) return false
    return (
      typeof payload['alertWebUrl'] === 'string' ||
      typeof payload['serviceSource'] === 'string' ||
      typeof payload['detectionSource'] === 'string' ||
      isObject(payload['vendorInformation']) ||
      typeof payload['azureTenantId'] === 'string' ||
      typeof payload['machineId'] === 'string' ||
      (payload['alertId'] !== undefined && payload['incidentId'] !== undefined)
    )
  },
  text: {
    title: ['title', 'properties.Title', 'incidentName', 'displayName'],
    description: ['description', 'properties.Description'],
    ref: ['id', 'alertId', 'properties.AlertId', 'providerAlertId', 'incidentId'],
    link: ['alertWebUrl', 'incidentWebUrl', 'incidentUri'],
    ruleId: ['detectorId'],
    ruleName: ['title', 'properties.Title'],
    hostName: [
      'computerDnsName',
      'hostStates.fqdn',
      'hostStates.netBiosName',
      'devices.deviceDnsName',
      'properties.DeviceName',
    ],
    hostId: ['machineId', 'devices.mdatpDeviceId', 'properties.DeviceId'],
    hostIp: ['hostStates.privateIpAddress'],
    userName: [
      'relatedUser.userName',
      'userStates.accountName',
      'properties.AccountName',
      'userStates.userPrincipalName',
    ],
    userEmail: ['userStates.userPrincipalName', 'properties.AccountUpn'],
    userDomain: ['relatedUser.domainName', 'userStates.domainName'],
    srcIp: ['networkConnections.sourceAddress', 'userStates.logonIp'],
    dstIp: ['networkConnections.destinationAddress', 'properties.RemoteIP'],
    dstPort: ['networkConnections.destinationPort'],
    url: ['networkConnections.destinationUrl', 'properties.RemoteUrl'],
    fileName: ['fileStates.name', 'properties.FileName'],
    filePath: ['fileStates.path', 'properties.FolderPath'],
    sha1: ['properties.SHA1'],
    sha256: ['properties.SHA256'],
    processName: ['processes.name'],
    processPath: ['processes.path'],
    processCommand: ['processes.commandLine', 'properties.ProcessCommandLine'],
  },
  times: {
    time: ['createdDateTime', 'eventDateTime', 'alertCreationTime', 'creationTime', 'properties.Timestamp', 'time'],
    firstSeen: ['firstActivityDateTime', 'firstEventTime', 'firstActivity'],
    lastSeen: ['lastActivityDateTime', 'lastEventTime', 'lastActivity', 'lastUpdateDateTime'],
  },
  types: ['category', 'properties.Category', 'threatFamilyName'],
  techniques: ['mitreTechniques', 'properties.AttackTechniques'],
  tactics: ['category', 'properties.Category'],
  // "unknown" and "unspecified" must not hide an alert: they wait for triage as medium.
  severity: (read) => severityOfWord(read.text('severity', 'properties.Severity') ?? '') ?? 'medium',
  productOf: (read) => read.text('serviceSource', 'properties.ServiceSource', 'vendorInformation.provider'),
  status,
  derive: fromEvidence,
})
