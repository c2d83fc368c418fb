import type { AdapterType, OcsfFinding, Severity } from './normalized-alert.ts'

/** What an adapter read out of a payload, as text; the shape of the finding is decided here, once for all vendors. */
export type Facts = {
  title?: string | null
  description?: string | null
  ref?: string | null
  time?: Date | null
  firstSeen?: Date | null
  lastSeen?: Date | null
  link?: string | null
  ruleId?: string | null
  ruleName?: string | null
  hostName?: string | null
  hostIp?: string | null
  hostId?: string | null
  hostMac?: string | null
  hostOs?: string | null
  userName?: string | null
  userId?: string | null
  userEmail?: string | null
  userDomain?: string | null
  srcIp?: string | null
  srcPort?: string | null
  srcHost?: string | null
  srcMac?: string | null
  dstIp?: string | null
  dstPort?: string | null
  dstHost?: string | null
  dstMac?: string | null
  processName?: string | null
  processPath?: string | null
  processCommand?: string | null
  processId?: string | null
  parentName?: string | null
  fileName?: string | null
  filePath?: string | null
  md5?: string | null
  sha1?: string | null
  sha256?: string | null
  url?: string | null
  query?: string | null
}

export type Reading = {
  adapter: AdapterType
  vendor: string
  product: string
  facts: Facts
  severity: Severity
  status: 'unknown' | 'new' | 'in-progress' | 'suppressed' | 'resolved'
  isAlert: boolean
  types: readonly string[]
  techniqueTexts: readonly string[]
  tacticTexts: readonly string[]
  /** Stands in for the entities in the fingerprint when the payload names none. */
  content?: string
  unmapped?: NonNullable<OcsfFinding['unmapped']>
  receivedAt: Date
}
