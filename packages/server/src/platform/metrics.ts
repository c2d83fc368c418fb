import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** Prometheus metrics (ALM-2). Labels are names of ours, never ids or addresses, so that their number stays bounded. */
export type Metrics = ReturnType<typeof createMetrics>

export function createMetrics() {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'redoubt_' })
  const registers = [registry]
  return {
    registry,
    operations: new Histogram({
      name: 'redoubt_operation_seconds',
      help: 'Duration of operations by outcome code',
      labelNames: ['operation', 'code'],
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers,
    }),
    ingested: new Counter({
      name: 'redoubt_ingested_events_total',
      help: 'Events by what became of them',
      labelNames: ['type', 'result'],
      registers,
    }),
    jobs: new Counter({
      name: 'redoubt_jobs_total',
      help: 'Jobs by result',
      labelNames: ['task', 'result'],
      registers,
    }),
    denied: new Counter({
      name: 'redoubt_denied_total',
      help: 'Refused requests by reason',
      labelNames: ['code'],
      registers,
    }),
    unsealed: new Gauge({
      name: 'redoubt_audit_sealed_at_seconds',
      help: 'When the audit sequencer last sealed, UNIX time',
      registers,
    }),
    keyAge: new Gauge({
      name: 'redoubt_signing_key_age_seconds',
      help: 'Age of the version that signs, as each service last looked at it',
      labelNames: ['service', 'use'],
      registers,
    }),
    keyState: new Gauge({
      name: 'redoubt_signing_key_state',
      help: '1 for the state that a signing key is in (KEY-5), 0 for the others',
      labelNames: ['service', 'use', 'state'],
      registers,
    }),
    keyRotations: new Counter({
      name: 'redoubt_key_rotations_total',
      help: 'How often another version of a signing key took over',
      labelNames: ['service', 'use'],
      registers,
    }),
    liveClients: new Gauge({ name: 'redoubt_live_clients', help: 'Open event streams', registers }),
  }
}
