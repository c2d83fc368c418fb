import type { ColumnType, Generated } from 'kysely'

/** The tables as the migrations made them. Severity is its rank: 0 informational to 4 critical. */
export type Schema = {
  organizations: { id: Generated<string>; name: string; slug: string; provider_id: string | null; created_at: Date }
  users: { id: string; email_sealed: Buffer; email_index: Buffer; name: string; created_at: Date }
  data_keys: {
    organization_id: string
    data_class: string
    version: number
    kek: number
    wrapped: Buffer
    created_at: Date
    active_at: Date
    ends_at: Date | null
    uses: Generated<number>
  }
  key_jobs: {
    id: Generated<string>
    kind: 'rewrap' | 'reencrypt'
    organization_id: string
    data_class: string | null
    version: number
    done: Generated<number>
    total: number
    damaged: Generated<number>
    state: Generated<'running' | 'done' | 'failed'>
    started_at: Date
    ended_at: Date | null
  }
  credentials: { user_id: string; password_hash: string; changed_at: Date }
  memberships: { organization_id: string; user_id: string; role: RoleText; created_at: Date }
  invitations: {
    id: string
    organization_id: string
    email_sealed: Buffer
    email_index: Buffer
    role: RoleText
    token_hash: string
    invited_by: string
    created_at: Date
    expires_at: Date
    accepted_at: Date | null
    revoked_at: Date | null
  }
  sessions: {
    id: string
    user_id: string
    kind: 'browser' | 'token'
    organization_id: string | null
    token_hash: string | null
    user_agent: string
    ip_sealed: Buffer | null
    created_at: Date
    last_seen_at: Date
    expires_at: Date
    revoked_at: Date | null
    revoked_because: string | null
  }
  refresh_tokens: { token_hash: string; session_id: string; issued_at: Date; expires_at: Date; used_at: Date | null }
  set_up: {
    only: Generated<boolean>
    token_hash: string
    expires_at: Date
    used_at: Date | null
    operator_organization_id: string | null
  }
  audit_events: {
    organization_id: string
    id: string
    at: Date
    actor_kind: 'person' | 'service' | 'runner' | 'anonymous'
    actor_id: string
    actor_name: string
    action: string
    target_kind: string | null
    target_id: string | null
    outcome: 'allowed' | 'denied' | 'failed'
    facts: Json
    request_id: string | null
  }
  audit_unsealed: { organization_id: string; event_id: string }
  audit_log: { organization_id: string; seq: number; event_id: string; body: string; leaf: Buffer }
  audit_nodes: { organization_id: string; level: number; index: number; hash: Buffer }
  audit_checkpoints: { organization_id: string; size: number; note: string; at: Date }
  counters: { organization_id: string; name: string; value: number }
  sources: {
    organization_id: string
    id: Generated<string>
    name: string
    slug: string
    type: string
    tlp: string
    enabled: Generated<boolean>
    mapping: Json | null
    /** Null in the platform's own source. */
    token_hash: string | null
    webhook_secret: Buffer | null
    created_at: Date
    last_event_at: Date | null
  }
  alerts: {
    organization_id: string
    id: Generated<string>
    source_id: string
    dedup_key: Buffer
    title: string
    description: string | null
    severity: number
    state: Generated<AlertStateText>
    tlp: string
    count: Generated<number>
    first_seen_at: Date
    last_seen_at: Date
    occurred_at: Date | null
    due_at: Date | null
    acknowledged_at: Date | null
    dismissed_because: string | null
    assignee_id: string | null
    case_id: string | null
    restricted_case: string | null
    source_ref: string | null
    finding: Json
    raw: string
    latest_raw: string | null
    techniques: string[]
    entities: string[]
    enriched_at: Date | null
  }
  alert_observables: {
    organization_id: string
    alert_id: string
    type: string
    value: string
    role: string | null
    internal: boolean
  }
  ingest_receipts: { organization_id: string; source_id: string; key: Buffer; receipt: Json; at: Date }
  cases: {
    organization_id: string
    id: Generated<string>
    number: number
    title: string
    description: string
    resolution: string | null
    severity: number
    tlp: string
    audience: 'organization' | 'named'
    phase: string
    owner_id: string | null
    version: Generated<number>
    opened_at: Date
    opened_by: string
    rule: string | null
    updated_at: Date
    due_at: Date | null
    responded_at: Date | null
    breached_at: Date | null
    closed_at: Date | null
    merged_into: string | null
    alert_count: Generated<number>
    techniques: string[]
  }
  case_recipients: { organization_id: string; case_id: string; user_id: string }
  case_timeline: {
    organization_id: string
    id: Generated<string>
    case_id: string
    at: Date
    kind: string
    actor_kind: 'person' | 'service' | 'runner'
    actor_id: string
    actor_name: string
    text: string
    facts: Json
    audit_event_id: string | null
  }
  case_tasks: {
    organization_id: string
    id: Generated<string>
    case_id: string
    title: string
    state: Generated<'open' | 'done' | 'cancelled'>
    assignee_id: string | null
    version: Generated<number>
    created_at: Date
  }
  case_observables: {
    organization_id: string
    id: Generated<string>
    case_id: string
    type: string
    value: string
    internal: boolean
    verdict: Generated<'unknown' | 'benign' | 'suspicious' | 'malicious'>
    sightings: number
  }
  playbooks: {
    organization_id: string
    id: Generated<string>
    name: string
    description: string
    tlp: string
    version: Generated<number>
    step_count: number
    needs_approval: boolean
    archived: Generated<boolean>
    updated_at: Date
    updated_by: string
  }
  playbook_versions: {
    organization_id: string
    playbook_id: string
    version: number
    yaml: string
    sha256: string
    created_at: Date
  }
  runners: {
    organization_id: string
    id: Generated<string>
    name: string
    url: string
    public_key: Json
    key_id: string
    enrolled_at: Date
    last_seen_at: Date | null
    revoked_at: Date | null
  }
  runner_enrolments: {
    organization_id: string
    id: Generated<string>
    name: string
    token_hash: string
    created_by: string
    created_at: Date
    expires_at: Date
    used_at: Date | null
  }
  runs: {
    organization_id: string
    id: Generated<string>
    playbook_id: string
    playbook_version: number
    case_id: string
    runner_id: string | null
    state: 'queued' | 'sent' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'rejected' | 'cancelled'
    inputs: Json
    started_at: Date
    started_by: string
    ended_at: Date | null
    waiting: Json | null
    failure: string | null
    report_sequence: Generated<number>
    reported_at: Date | null
    steps: Json
  }
  plans: {
    organization_id: string
    id: string
    run_id: string
    canonical: string
    sha256: string
    key_id: string
    issued_at: Date
    expires_at: Date
    accepted_at: Date | null
  }
  approvals: {
    organization_id: string
    run_id: string
    step_id: string
    user_id: string
    at: Date
    decision: 'approved' | 'rejected'
    statement: string
  }
}

type RoleText = 'admin' | 'moderator' | 'user' | 'viewer'
type AlertStateText = 'new' | 'acknowledged' | 'in-case' | 'dismissed'
/** Read as a value, written as text: the driver would turn an array into a PostgreSQL array. */
type Json = ColumnType<unknown, string, string>
