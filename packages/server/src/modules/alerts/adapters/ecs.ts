import { isObject } from './json.ts'
import type { JsonObject, Severity } from './normalized-alert.ts'
import { severityOfAny, severityOfHundred, severityOfWord } from './severity.ts'
import { type Reader, tableAdapter } from './table.ts'

/**
 * Elastic Common Schema documents: Elastic Security detection alerts (`kibana.alert.*`, older `signal.*`) and any
 * product that logs in ECS. Dotted keys and nested objects both occur; index hits come inside `_source`. Events
 * whose `event.kind` is not alert or signal are telemetry.
 */

type Tree = { [key: string]: unknown }

const MAX_STEPS = 16

/** `{"host.name": "a"}` as `{host: {name: "a"}}`. Built without a prototype, so that no key can reach one. */
function nested(payload: JsonObject): JsonObject {
  let dotted = false
  for (const key in payload) dotted ||= key.includes('.')
  if (!dotted) return payload
  const root: Tree = Object.create(null) as Tree
  for (const [key, value] of Object.entries(payload)) {
    const steps = key.split('.', MAX_STEPS)
    const last = steps.pop() ?? key
    let node = root
    for (const step of steps) {
      const next = node[step]
      if (isObject(next)) {
        // Copied before it is added to: the payload itself is never changed.
        node = node[step] = Object.assign(Object.create(null) as Tree, next)
      } else if (next === undefined) {
        node = node[step] = Object.create(null) as Tree
      } else break
    }
    if (node[last] === undefined) node[last] = value
  }
  return root
}

function unwrap(payload: JsonObject): readonly unknown[] {
  const source = isObject(payload['_source']) ? payload['_source'] : payload
  return [nested(source)]
}

function isAlert(read: Reader): boolean {
  return (
    /^(?:alert|signal)$/.test(read.text('event.kind') ?? '') ||
    read.text('kibana.alert.rule.name', 'kibana.alert.uuid', 'signal.rule.name') !== null
  )
}

function severity(read: Reader): Severity {
  const word = read.text(
    'kibana.alert.severity',
    'signal.rule.severity',
    'rule.severity',
    'log.level',
    'event.severity_name',
  )
  const named = word === null ? null : severityOfWord(word)
  if (named) return named
  const risk = read.number(
    'kibana.alert.risk_score',
    'signal.rule.risk_score',
    'event.risk_score',
    'event.risk_score_norm',
  )
  if (risk !== null) return severityOfHundred(risk)
  // event.severity keeps the vendor's own number; without its scale only 0–10 and 0–100 can be told apart.
  return severityOfAny(read.number('event.severity') ?? undefined) ?? (isAlert(read) ? 'medium' : 'informational')
}

export const ecs = tableAdapter({
  type: 'ecs',
  label: 'Elastic Common Schema',
  vendor: 'Elastic',
  product: 'ECS source',
  setUp:
    'Add a webhook connector in Kibana to this address and an action "for each alert" with {{#context.alerts}} on the detection rules, or post ECS documents.',
  unwrap,
  matches: (payload) =>
    (payload['@timestamp'] !== undefined &&
      (isObject(payload['event']) ||
        isObject(payload['ecs']) ||
        isObject(payload['kibana']) ||
        isObject(payload['signal']))) ||
    (isObject(payload['kibana']) && isObject(payload['kibana']['alert'])) ||
    isObject(payload['signal']),
  text: {
    title: [
      'kibana.alert.rule.name',
      'signal.rule.name',
      'rule.name',
      'event.reason',
      'message',
      'event.action',
      'event.code',
      'event.dataset',
    ],
    description: [
      'kibana.alert.reason',
      'kibana.alert.rule.description',
      'signal.rule.description',
      'rule.description',
      'event.reason',
      'message',
      'event.original',
    ],
    ref: ['kibana.alert.uuid', 'signal.id', 'event.id', '_id'],
    link: ['kibana.alert.url', 'event.url', 'event.reference'],
    ruleId: ['kibana.alert.rule.rule_id', 'kibana.alert.rule.uuid', 'signal.rule.rule_id', 'rule.id', 'rule.uuid'],
    ruleName: ['kibana.alert.rule.name', 'signal.rule.name', 'rule.name'],
    hostName: ['host.name', 'host.hostname', 'observer.hostname'],
    hostIp: ['host.ip'],
    hostId: ['host.id', 'agent.id'],
    hostMac: ['host.mac'],
    hostOs: ['host.os.full', 'host.os.name', 'host.os.type'],
    userName: ['user.name', 'source.user.name', 'client.user.name'],
    userId: ['user.id'],
    userEmail: ['user.email', 'email.from.address'],
    userDomain: ['user.domain'],
    srcIp: ['source.ip', 'client.ip'],
    srcPort: ['source.port', 'client.port'],
    srcHost: ['source.domain', 'client.domain'],
    srcMac: ['source.mac'],
    dstIp: ['destination.ip', 'server.ip'],
    dstPort: ['destination.port', 'server.port'],
    dstHost: ['destination.domain', 'server.domain'],
    dstMac: ['destination.mac'],
    processName: ['process.name'],
    processPath: ['process.executable'],
    processCommand: ['process.command_line'],
    processId: ['process.pid'],
    parentName: ['process.parent.name'],
    fileName: ['file.name'],
    filePath: ['file.path'],
    md5: ['file.hash.md5', 'process.hash.md5'],
    sha1: ['file.hash.sha1', 'process.hash.sha1'],
    sha256: ['file.hash.sha256', 'process.hash.sha256'],
    url: ['url.full', 'url.original'],
    query: ['dns.question.name'],
  },
  times: {
    time: ['kibana.alert.original_time', '@timestamp', 'event.created'],
    firstSeen: ['kibana.alert.start', 'event.start'],
    lastSeen: ['kibana.alert.last_detected', 'event.end'],
  },
  types: ['event.category', 'event.type'],
  techniques: [
    'threat.technique.id',
    'threat.technique.subtechnique.id',
    'kibana.alert.rule.threat.technique.id',
    'kibana.alert.rule.threat.technique.subtechnique.id',
    'kibana.alert.rule.parameters.threat.technique.id',
    'kibana.alert.rule.parameters.threat.technique.subtechnique.id',
    'signal.rule.threat.technique.id',
    'signal.rule.threat.technique.subtechnique.id',
  ],
  tactics: [
    'threat.tactic.name',
    'kibana.alert.rule.threat.tactic.name',
    'kibana.alert.rule.parameters.threat.tactic.name',
    'signal.rule.threat.tactic.name',
  ],
  severity,
  isAlert,
  status: (read) =>
    /^(?:closed|recovered)$/.test(
      read.text('kibana.alert.workflow_status', 'kibana.alert.status', 'signal.status') ?? '',
    )
      ? 'resolved'
      : 'new',
  vendorOf: (read) => read.text('observer.vendor'),
  productOf: (read) => read.text('observer.product', 'event.module', 'event.dataset'),
})
