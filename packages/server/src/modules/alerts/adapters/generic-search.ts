import { namedValues } from '../observables/named-values.ts'
import { isObject } from './json.ts'
import type { JsonObject, Severity } from './normalized-alert.ts'
import { textOf } from './paths.ts'
import { isPlaceholder } from './sanitize.ts'
import { severityOfAny, severityOfSyslog, severityOfWord } from './severity.ts'
import { parseTime } from './time.ts'

/**
 * The best effort for payloads nobody declared: one breadth-first walk that looks for the names vendors give to a
 * title, a severity, a time, an id. A name's place in its list and its depth together decide; objects that only
 * wrap (`alert`, `event`, `data`) count as no depth.
 */

type Concept = 'title' | 'description' | 'severity' | 'time' | 'ref' | 'status' | 'link' | 'vendor' | 'product' | 'rule'

const NAMES: Readonly<Record<Concept, string>> = {
  title:
    'title alerttitle alertname incidenttitle incidentname detectionname findingtitle eventdefinitiontitle signature threatname rulename ruletitle summary subject headline issuetitle checkname monitorname policyname alarmname displaymessage shortmessage displayname malwarename signaturename msgname eventname message msg infomsg rulemessage name actiontype eventtype operationname operation event action activity reason text body description desc type category classification request query',
  description:
    'description desc alarmdescription longdescription details detail message msg longmessage body summary reason output longoutput fulllog text content threatdescription note notes explanation',
  severity:
    'severity severityname alertseverity severitylevel severitylabel eventseverity alertlevel threatseverity risklevel threatlevel criticality priority prioritylabel urgency risk level lvl loglevel sev impact severityscore riskscore threatscore score cvss sysloglevel prioritylevel grade',
  time: 'timestamp eventtime eventtimestamp occurredat occurred occured detectedat detectiontime detectiontimestamp alerttime time datetime attimestamp createdat createdtime creationtime createddatetime created creationdate published startedat starttime startsat start firstseen firstseenat firedat triggeredat triggeredtime date ts when eventdate logtime devicetime devtime rt receivedat updatedat lastseen endtime long datetimeutc activitydatetime utctimestamp',
  ref: 'alertid alertuid alertuuid alertguid incidentid findingid detectionid detectid eventuuid eventguid notificationid issueid caseid uuid guid uid eventid id id externalid recordid identifier incidentkey dedupkey',
  status: 'status state alertstatus incidentstatus eventstatus alertstate newstate',
  link: 'alerturl alertlink link url permalink incidenturl weburl htmlurl detailsurl',
  vendor: 'vendor vendorname provider observervendor manufacturer',
  product: 'product productname devicename sourcename source service detectionsource application sourcesystem tool',
  rule: 'ruleid rulename rule ruleuuid signatureid sid policyid monitorid checkid detectionruleid',
}

type Rank = readonly [Concept, number]

const RANKS: ReadonlyMap<string, readonly Rank[]> = (() => {
  const ranks = new Map<string, Rank[]>()
  for (const [concept, names] of Object.entries(NAMES)) {
    for (const [index, name] of names.split(' ').entries()) {
      const list = ranks.get(name) ?? []
      if (!list.some(([known]) => known === concept)) ranks.set(name, [...list, [concept as Concept, index]])
    }
  }
  return ranks
})()

/** Names nobody listed that end like one of a kind: `TimeGenerated`, `clickTime`, `iocSeverity`. */
const ENDINGS: readonly (readonly [RegExp, Rank])[] = [
  [
    /^(?!(?:end|due)|.*(?:endtime|enddate|expir|next|until|valid|birth|boot|install|uptime|response|duration|modif|updat|last|timezone))(?:time(?:received|generated|created|logged)|received|.*(?:time|timestamp|date|datetime|timeutc))$/,
    ['time', 60],
  ],
  [/severity(?:level|name)?$/, ['severity', 60]],
  [/(?:alert|rule|threat|signature|detection|event|attack|malware)(?:name|title)$/, ['title', 15]],
]

const MAX_KNOWN = 10_000
const known = new Map<string, readonly Rank[]>()

function ranksOf(name: string): readonly Rank[] {
  const listed = RANKS.get(name)
  if (listed) return listed
  const remembered = known.get(name)
  if (remembered) return remembered
  const ranks = ENDINGS.filter(([ending]) => ending.test(name)).map(([, rank]) => rank)
  // Keys come from outside: forgetting all of them bounds the memory an endless stream of new ones can take.
  if (known.size >= MAX_KNOWN) known.clear()
  known.set(name, ranks)
  return ranks
}

/** Objects that wrap an alert rather than describe a part of it. */
const WRAPPERS =
  /^(?:alert|event|data|detail|details|incident|issue|payload|finding|detection|properties|attributes|body|record|message|metadata|resource|jsonpayload|protopayload|content|result|labels|annotations|fields|line|json|alarm|threat|common|header|monitor|trigger|value)$/

const MAX_NODES = 2000
const MAX_LEVELS = 8
const DEPTH_COST = 40

export type Found = {
  title: string | null
  description: string | null
  severity: Severity | null
  time: Date | null
  ref: string | null
  status: string | null
  link: string | null
  vendor: string | null
  product: string | null
  rule: string | null
}

function nameOf(key: string): string {
  return key
    .slice(0, 64)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '')
}

function sentence(text: string): boolean {
  return text.length >= 3 && /\p{L}{2}/u.test(text) && !/^[0-9a-f-]{32,36}$/i.test(text)
}

/** Only a value that can be unique may fold alerts: `id: 4` or a Windows `EventID` would fold strangers. */
function unique(name: string, text: string): boolean {
  if (text.length > 512 || /\s{2}|\n/.test(text)) return false
  if (/^(?:alert|incident|finding|detection|detect|notification|issue|case|dedup)/.test(name)) return true
  return text.length >= 8 ? /\d/.test(text) : /^\d{6,7}$/.test(text)
}

function severityOf(name: string, value: unknown): Severity | null {
  const text = textOf(value)
  if (text === null) return null
  const number = /^\d{1,3}(?:\.\d+)?$/.test(text) ? Number(text) : null
  if (number === null) return severityOfWord(text)
  if (name === 'sysloglevel') return severityOfSyslog(number)
  // A priority counts down from 1 (ITIL); everything else counts up.
  if (name.startsWith('priority') || name === 'urgency' || name === 'impact')
    return number >= 1 && number <= 5 ? severityOfWord(`p${number}`) : null
  if (/level|lvl/.test(name) && number > 10) return null
  return severityOfAny(number)
}

/** `date=2023-12-01 time=14:43:23`: a day whose clock is in its own field. */
function dateAndTime(holder: JsonObject, date: unknown): unknown {
  const clock = holder['time']
  return typeof date === 'string' &&
    typeof clock === 'string' &&
    /^\d{4}-\d\d-\d\d$/.test(date) &&
    /^\d\d:\d\d/.test(clock)
    ? `${date}T${clock}`
    : date
}

type Best = { cost: number; value: unknown }

function accepted(concept: Concept, name: string, value: unknown, receivedAt: Date): unknown {
  if (concept === 'severity') return severityOf(name, value)
  if (concept === 'time') return typeof value === 'boolean' ? null : parseTime(value, receivedAt)
  if (typeof value !== 'string' && typeof value !== 'number') return null
  const text = textOf(value)
  if (text === null || isPlaceholder(text)) return null
  if (concept === 'ref') return unique(name, text) ? text : null
  if (typeof value === 'number') return concept === 'rule' || concept === 'status' ? text : null
  if (concept === 'title') return sentence(text) && !/^https?:\/\//.test(text) ? text : null
  if (concept === 'link') return /^https?:\/\//.test(text) ? text : null
  if (concept === 'vendor' || concept === 'product') return text.length <= 100 ? text : null
  return text
}

type Node = { value: unknown; name: string; cost: number; level: number; wraps: boolean }

/** Looks through an object for what an alert is made of; every part null that it does not find. */
export function searchPayload(payload: unknown, receivedAt: Date): Found {
  const best: Partial<Record<Concept, Best>> = {}
  const queue: Node[] = [{ value: payload, name: '', cost: 0, level: 0, wraps: true }]
  const consider = (name: string, value: unknown, cost: number, wraps: boolean): void => {
    for (const [concept, rank] of ranksOf(name)) {
      // The id of an actor or a device is no id of the alert.
      if (concept === 'ref' && !wraps) continue
      const total = rank + cost
      if (total >= (best[concept]?.cost ?? Number.POSITIVE_INFINITY)) continue
      const value_ = accepted(concept, name, value, receivedAt)
      if (value_ !== null) best[concept] = { cost: total, value: value_ }
    }
  }
  for (let at = 0; at < queue.length && at < MAX_NODES; at += 1) {
    const node = queue[at]
    if (!node || node.level > MAX_LEVELS) continue
    if (Array.isArray(node.value)) {
      for (const element of node.value.slice(0, 20)) {
        if (typeof element === 'object' && element !== null)
          queue.push({ ...node, value: element, level: node.level + 1, cost: node.cost + 2 })
      }
      continue
    }
    if (!isObject(node.value)) continue
    const named = namedValues(node.value)
    if (named) {
      for (const [, value] of named.values) consider(nameOf(named.name), value, node.cost, node.wraps)
      continue
    }
    for (const key in node.value) {
      if (!Object.hasOwn(node.value, key)) continue
      const value = node.value[key]
      const name = nameOf(key)
      if (typeof value === 'object' && value !== null) {
        const wraps = node.wraps && WRAPPERS.test(name)
        queue.push({ value, name, cost: node.cost + (wraps ? 1 : DEPTH_COST), level: node.level + 1, wraps })
        // `severity: {value: "high"}`, `status: {label: "Open"}`
        if (isObject(value))
          consider(name, value['value'] ?? value['name'] ?? value['label'], node.cost + 1, node.wraps)
      } else consider(name, name === 'date' ? dateAndTime(node.value, value) : value, node.cost, node.wraps)
    }
  }
  const text = (concept: Concept): string | null => (best[concept]?.value as string | undefined) ?? null
  return {
    title: text('title'),
    description: text('description'),
    severity: (best.severity?.value as Severity | undefined) ?? null,
    time: (best.time?.value as Date | undefined) ?? null,
    ref: text('ref'),
    status: text('status'),
    link: text('link'),
    vendor: text('vendor'),
    product: text('product'),
    rule: text('rule'),
  }
}
