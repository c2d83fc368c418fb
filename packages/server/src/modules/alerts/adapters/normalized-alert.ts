import type { AdapterType, Severity } from '@redoubt/contract'

/** The one form every vendor's alert takes after normalization. */

export type { AdapterType, Severity }

export type JsonObject = { readonly [key: string]: unknown }

export type Endpoint = { ip?: string; port?: number; hostname?: string; mac?: string }
export type FindingFile = { name?: string; path?: string; hashes?: { algorithm: string; value: string }[] }
export type FindingProcess = {
  name?: string
  path?: string
  cmd_line?: string
  pid?: string
  parent_process?: { name: string }
}
export type FindingUser = { name?: string; uid?: string; email_addr?: string; domain?: string }
export type Evidence = {
  src_endpoint?: Endpoint
  dst_endpoint?: Endpoint
  process?: FindingProcess
  file?: FindingFile
  url?: { url_string: string }
  query?: { hostname: string }
}
export type Attack = {
  technique?: { uid: string }
  sub_technique?: { uid: string }
  tactic?: { name?: string; uid?: string }
}

/**
 * Close to the OCSF 1.4 Detection Finding (class 2004): the attribute names and ids are the standard's, strings
 * are bounded and free of NUL and lone surrogates (PostgreSQL refuses both in jsonb), and there is no cycle.
 * Endpoints, files and processes are under `evidences`, as in the standard.
 */
export type OcsfFinding = {
  class_uid: 2004
  class_name: 'Detection Finding'
  category_uid: 2
  category_name: 'Findings'
  /** 1 created, 2 updated, 3 closed. */
  activity_id: 1 | 2 | 3
  type_uid: number
  severity_id: number
  severity: string
  /** Milliseconds since the epoch: when it happened, else when it was received. */
  time: number
  /** 0 unknown, 1 new, 2 in progress, 3 suppressed, 4 resolved. */
  status_id: 0 | 1 | 2 | 3 | 4
  status?: string
  message: string
  /** False for telemetry that a vendor sends on the same feed as its alerts (a DNS query, a log-in). */
  is_alert: boolean
  finding_info: {
    title: string
    uid?: string
    desc?: string
    types?: string[]
    attacks?: Attack[]
    analytic?: { uid?: string; name?: string; type_id: number }
    created_time?: number
    first_seen_time?: number
    last_seen_time?: number
    src_url?: string
  }
  metadata: { version: string; product: { name: string; vendor_name: string }; uid?: string }
  device?: { hostname?: string; ip?: string; uid?: string; mac?: string; os?: { name: string } }
  actor?: { user: FindingUser }
  evidences?: Evidence[]
  observables?: { name: string; type_id: number; value: string }[]
  /** How the payload was read when it was not read by the source's own adapter. */
  unmapped?: { declared_adapter?: string; read_as?: string; reason?: string }
}

export type NormalizedAlert = {
  /** 1 to 300 characters, one line, no control or bidirectional-override characters. */
  title: string
  /** At most 8000 characters. */
  description: string | null
  severity: Severity
  /** The vendor's own id for this alert, at most 512 characters; integers of any size as exact decimal text. */
  sourceRef: string | null
  occurredAt: Date | null
  finding: OcsfFinding
  /** ATT&CK technique ids the vendor declared, sorted and unique, such as T1059.001. */
  techniques: string[]
  /**
   * Hex SHA-256 over what stays the same when the same thing is reported again (adapter, title, rule, main
   * entities), so that duplicates without a vendor id can be folded.
   */
  fingerprint: string
}
