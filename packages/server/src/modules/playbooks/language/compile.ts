import { type EgressRule, isCanonicalHost, line, planLimits, tlps } from '@redoubt/contract'
import type { Playbook } from './playbook.ts'
import { join, Reader } from './reader.ts'
import { checkReferences } from './references.ts'
import { type Located, type Problem, readSource } from './source.ts'
import { bare, type ReadStep, readSteps } from './steps.ts'
import { suggestion } from './suggestion.ts'

export type Compiled =
  | { readonly ok: true; readonly playbook: Playbook; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly errors: readonly Problem[] }

const ERRORS_MAX = 200

/**
 * Reads and checks a playbook. All errors come at once, in the order of the text, each with its 1-based line and
 * column and a message that says how to mend it. Warnings do not stop a playbook. Never throws, runs nothing.
 */
export const compilePlaybook = (text: string): Compiled => {
  const source = readSource(text)
  if (source.root === undefined) return { ok: false, errors: source.problems.slice(0, ERRORS_MAX) }
  const reader = new Reader(source.position)
  const fields = reader.fields(source.root, '', 'a playbook', ['name', 'description', 'tlp', 'egress', 'steps'])
  if (fields === undefined) return { ok: false, errors: reader.problems }

  const nameEntry = reader.required(fields, 'name', 'name: Block address at the edge')
  const name = nameEntry && reader.text(nameEntry.value, 'name', { min: 1, max: 120 })
  if (nameEntry !== undefined && name !== undefined && !line(120).safeParse(name).success) {
    reader.problem(nameEntry.value.at, 'name', 'must be one line without control characters')
  }
  const descriptionEntry = fields.entry('description')
  const description =
    descriptionEntry === undefined ? '' : reader.text(descriptionEntry.value, 'description', { min: 0, max: 2000 })
  const tlpEntry = reader.required(fields, 'tlp', 'tlp: AMBER')
  const tlp = tlpEntry && reader.choice(tlpEntry.value, 'tlp', tlps)
  const egressEntry = fields.entry('egress')
  const egress = egressEntry === undefined ? [] : readEgress(reader, egressEntry.value)
  const stepsEntry = reader.required(fields, 'steps', 'steps: followed by a list of steps')
  const steps = stepsEntry === undefined ? [] : readSteps(reader, stepsEntry.value, 'steps', 1)
  const all = [...flatten(steps)]
  if (all.length > planLimits.steps) {
    reader.problem(stepsEntry?.at ?? 0, 'steps', `has ${all.length} steps; at most ${planLimits.steps} are allowed`)
  }
  checkReferences(reader, steps)
  checkEgress(reader, all, egress)

  if (reader.problems.length > 0 || name === undefined || description === undefined || tlp === undefined) {
    const errors = reader.problems.sort((a, b) => a.line - b.line || a.column - b.column).slice(0, ERRORS_MAX)
    return { ok: false, errors }
  }
  const lines = Object.fromEntries(all.map((read) => [read.id, reader.line(read.at)]))
  const rules = egress.flatMap((read) => read.rule ?? [])
  const playbook = { name: name.trim(), description, tlp, egress: rules, steps: bare(steps), lines }
  return { ok: true, playbook, warnings: reader.warnings }
}

function* flatten(steps: readonly ReadStep[]): Generator<ReadStep> {
  for (const read of steps) {
    yield read
    yield* flatten(read.whenTrue)
    yield* flatten(read.whenFalse)
  }
}

type ReadEgress = { readonly at: number; readonly path: string; readonly rule: EgressRule | undefined }

const readEgress = (reader: Reader, node: Located): readonly ReadEgress[] => {
  const items = reader.list(node, 'egress', planLimits.egress) ?? []
  const seen = new Set<string>()
  return items.map((item, index) => {
    const path = `egress[${index}]`
    const read = { at: item.at, path, rule: undefined }
    const fields = reader.fields(item, path, 'an egress rule', ['host', 'port', 'private'])
    const hostEntry = fields && reader.required(fields, 'host', 'host: firewall.example.com')
    const host = hostEntry && readHost(reader, hostEntry.value, join(path, 'host'))
    const portEntry = fields?.entry('port')
    const port =
      portEntry === undefined ? 443 : reader.integer(portEntry.value, join(path, 'port'), { min: 1, max: 65_535 })
    const privateEntry = fields?.entry('private')
    const allowPrivate = privateEntry === undefined ? false : reader.boolean(privateEntry.value, join(path, 'private'))
    if (host === undefined || port === undefined || allowPrivate === undefined) return read
    if (seen.has(`${host}:${port}`))
      reader.problem(item.at, path, `${host}:${port} is already listed; keep one of them`)
    seen.add(`${host}:${port}`)
    return { ...read, rule: { host, port, allowPrivate } }
  })
}

const readHost = (reader: Reader, node: Located, path: string): string | undefined => {
  const host = reader.text(node, path, { min: 1, max: 253 })
  if (host === undefined) return undefined
  if (host.includes('*')) return reader.problem(node.at, path, 'name each host in full; patterns are not allowed')
  if (/[/@?#\s]/.test(host)) return reader.problem(node.at, path, 'must be a host alone, without scheme, path or user')
  if (/^[^:]+:\d+$/.test(host)) return reader.problem(node.at, path, 'give the port as "port:" on a line of its own')
  if (isCanonicalHost(host)) return host
  const mended = host.toLowerCase().replace(/\.$/, '')
  const hint = isCanonicalHost(mended) ? `; write "${mended}"` : ' in its usual form'
  return reader.problem(node.at, path, `must be a plain host name or address${hint}`)
}

const checkEgress = (reader: Reader, steps: readonly ReadStep[], egress: readonly ReadEgress[]): void => {
  const used = new Set<EgressRule>()
  const broken = egress.some((read) => read.rule === undefined)
  for (const { origin } of steps) {
    if (origin === undefined) continue
    const { scheme, host, port } = origin.value
    const rule = egress.find((read) => read.rule?.host === host && read.rule.port === port)?.rule
    if (rule === undefined) {
      if (broken) continue
      const hosts = egress.flatMap((read) => (read.rule?.port === port ? read.rule.host : []))
      const near = suggestion(host, hosts)
      const add = near.startsWith('; did') ? near : `; add "- host: ${host}" with "port: ${port}" under egress`
      reader.problem(origin.at, origin.path, `${host}:${port} is not on the egress list${add}`)
      continue
    }
    used.add(rule)
    if (scheme === 'http' && !rule.allowPrivate) {
      reader.warning(origin.at, origin.path, 'http:// is not encrypted: everybody on the way can read and change it')
    }
  }
  for (const { rule, at, path } of egress) {
    if (rule !== undefined && !used.has(rule)) {
      reader.warning(at, path, `no step calls ${rule.host}:${rule.port}; remove it, so that nothing can`)
    }
  }
}
