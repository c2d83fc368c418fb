import { findTactics, findTechniques } from '../attack/techniques.ts'
import { actorOf, deviceOf, evidenceOf, line, observablesOf, put } from './entities.ts'
import type { Reading } from './facts.ts'
import { boundedRef, fingerprintOf } from './identity.ts'
import type { Attack, NormalizedAlert, OcsfFinding, Severity } from './normalized-alert.ts'
import { cleanLine, cleanText } from './sanitize.ts'

const MAX_TITLE = 300
const MAX_DESCRIPTION = 8000
const MAX_LIST = 50
const OCSF_VERSION = '1.4.0'

const SEVERITY_IDS: Readonly<Record<Severity, number>> = { informational: 1, low: 2, medium: 3, high: 4, critical: 5 }
const SEVERITY_CAPTIONS: Readonly<Record<Severity, string>> = {
  informational: 'Informational',
  low: 'Low',
  medium: 'Medium',
  high: 'High',
  critical: 'Critical',
}
const STATUS = {
  unknown: { id: 0, activity: 1 },
  new: { id: 1, caption: 'New', activity: 1 },
  'in-progress': { id: 2, caption: 'In Progress', activity: 2 },
  suppressed: { id: 3, caption: 'Suppressed', activity: 2 },
  resolved: { id: 4, caption: 'Resolved', activity: 3 },
} as const

function attacksOf(techniques: readonly string[], tactics: readonly string[]): Attack[] {
  const attacks: Attack[] = techniques
    .slice(0, MAX_LIST)
    .map((uid) =>
      uid.includes('.') ? { technique: { uid: uid.slice(0, 5) }, sub_technique: { uid } } : { technique: { uid } },
    )
  for (const text of tactics.slice(0, MAX_LIST)) {
    const [uid] = findTactics(text)
    const tactic = uid ? { uid } : { name: cleanLine(text, 100) }
    if (uid || tactic.name) attacks.push({ tactic })
  }
  return attacks
}

function findingInfo(
  reading: Reading,
  title: string,
  description: string | null,
  techniques: string[],
): OcsfFinding['finding_info'] {
  const { facts } = reading
  const info: OcsfFinding['finding_info'] = { title }
  put(info, 'uid', facts.ref ? (boundedRef(facts.ref) ?? undefined) : undefined)
  put(info, 'desc', description ?? undefined)
  if (reading.types.length > 0) info.types = reading.types.slice(0, MAX_LIST).map((type) => cleanLine(type, 200))
  const attacks = attacksOf(techniques, reading.tacticTexts)
  if (attacks.length > 0) info.attacks = attacks
  const ruleName = line(facts.ruleName)
  const ruleId = line(facts.ruleId)
  if (ruleName || ruleId) {
    const analytic: NonNullable<typeof info.analytic> = { type_id: 1 }
    put(analytic, 'uid', ruleId)
    put(analytic, 'name', ruleName)
    info.analytic = analytic
  }
  put(info, 'created_time', facts.time?.getTime())
  put(info, 'first_seen_time', facts.firstSeen?.getTime())
  put(info, 'last_seen_time', facts.lastSeen?.getTime())
  put(info, 'src_url', facts.link ? cleanLine(facts.link, 2048) : undefined)
  return info
}

/** Builds the normalized alert, bounded and JSON-safe whatever the facts were. */
export function buildAlert(reading: Reading): NormalizedAlert {
  const { facts, severity } = reading
  const title =
    cleanLine(facts.title ?? '', MAX_TITLE) ||
    cleanLine(facts.ruleName ?? '', MAX_TITLE) ||
    cleanLine(reading.types[0] ?? '', MAX_TITLE) ||
    cleanLine(`${reading.product} alert`, MAX_TITLE)
  const description = facts.description ? cleanText(facts.description, MAX_DESCRIPTION) || null : null
  const techniques = reading.techniqueTexts.length > 0 ? findTechniques(reading.techniqueTexts.join(' ')) : []
  const occurredAt = facts.time ?? facts.lastSeen ?? facts.firstSeen ?? null
  const status = STATUS[reading.status]
  const sourceRef = facts.ref ? boundedRef(facts.ref) : null
  const finding: OcsfFinding = {
    class_uid: 2004,
    class_name: 'Detection Finding',
    category_uid: 2,
    category_name: 'Findings',
    activity_id: status.activity,
    type_uid: 200_400 + status.activity,
    severity_id: SEVERITY_IDS[severity],
    severity: SEVERITY_CAPTIONS[severity],
    time: (occurredAt ?? reading.receivedAt).getTime(),
    status_id: status.id,
    message: title,
    is_alert: reading.isAlert,
    finding_info: findingInfo(reading, title, description, techniques),
    metadata: {
      version: OCSF_VERSION,
      product: { name: cleanLine(reading.product, 200), vendor_name: cleanLine(reading.vendor, 200) },
    },
  }
  if ('caption' in status) finding.status = status.caption
  if (sourceRef) finding.metadata.uid = sourceRef
  const device = deviceOf(facts)
  if (device) finding.device = device
  const actor = actorOf(facts)
  if (actor) finding.actor = actor
  const evidence = evidenceOf(facts)
  if (evidence) finding.evidences = [evidence]
  const observables = observablesOf(facts)
  if (observables.length > 0) finding.observables = observables
  if (reading.unmapped) finding.unmapped = reading.unmapped
  return {
    title,
    description,
    severity,
    sourceRef,
    occurredAt,
    finding,
    techniques,
    fingerprint: fingerprintOf(reading, title),
  }
}
