import { isObject } from './json.ts'
import type { JsonObject } from './normalized-alert.ts'
import { severityOfAny } from './severity.ts'
import { tableAdapter } from './table.ts'

/**
 * Prometheus Alertmanager webhook (version 4; Grafana Alerting and Mimir send the same form): a group whose
 * `alerts` are each one alert. The id is `fingerprint:startsAt`, one firing episode: its resolution folds into it,
 * the next episode is a new alert.
 */

function unwrap(payload: JsonObject): readonly unknown[] {
  const alerts = payload['alerts']
  return Array.isArray(alerts) && alerts.length > 0 ? alerts : [payload]
}

/** `10.0.0.5:9100` names the scraped host; the port is the exporter's. */
function hostOf(instance: string | null): string | null {
  return instance === null ? null : instance.replace(/^\w+:\/\//, '').replace(/:\d{1,5}$/, '')
}

export const alertmanager = tableAdapter({
  type: 'alertmanager',
  label: 'Prometheus Alertmanager',
  vendor: 'Prometheus',
  product: 'Alertmanager',
  setUp:
    'Add a receiver with webhook_configs url set to this address and http_config.authorization.credentials set to the token.',
  unwrap,
  matches: (payload) =>
    isObject(payload['labels']) && (payload['startsAt'] !== undefined || isObject(payload['annotations'])),
  text: {
    title: ['annotations.summary', 'annotations.title', 'labels.alertname'],
    description: ['annotations.description', 'annotations.message', 'annotations.runbook_url'],
    link: ['generatorURL'],
    ruleId: ['labels.alertname'],
    ruleName: ['labels.alertname'],
    hostName: ['labels.host', 'labels.hostname', 'labels.node', 'labels.nodename', 'labels.pod'],
    userName: ['labels.user', 'labels.username'],
    query: ['labels.domain'],
  },
  times: { time: ['startsAt'], firstSeen: ['startsAt'] },
  types: ['labels.alertname', 'labels.job'],
  techniques: ['labels.mitre_technique', 'labels.technique', 'annotations.mitre', 'labels.mitre'],
  tactics: ['labels.tactic', 'labels.mitre_tactic'],
  // Read as it stands: `none` is a severity here and no missing value.
  severity: (read) =>
    ['labels.severity', 'labels.priority', 'labels.level', 'annotations.severity']
      .map((path) => severityOfAny(read.value(path)))
      .find((severity) => severity !== null) ?? 'medium',
  status: (read) => (read.text('status') === 'resolved' ? 'resolved' : 'new'),
  derive(read) {
    const print = read.text('fingerprint')
    const episode = read.text('startsAt')
    const host =
      read.text('labels.host', 'labels.hostname', 'labels.node', 'labels.nodename') ??
      hostOf(read.text('labels.instance'))
    const ref = print === null ? null : episode === null ? print : `${print}:${episode}`
    return host === null ? { ref } : { ref, hostName: host }
  },
})
