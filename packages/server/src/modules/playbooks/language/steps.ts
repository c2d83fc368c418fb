import {
  connectionHeaders,
  idempotentMethods,
  literalOrigin,
  methods,
  type Origin,
  planLimits,
  roles,
  type Step,
  StepId,
  type StepOf,
  TemplateError,
} from '@redoubt/contract'
import { type Fields, join, type Reader, type Use } from './reader.ts'
import type { Located } from './source.ts'

/** A step with what the later checks need: where it stands, what it reads, and the origin it calls. */
export type ReadStep = {
  readonly id: string
  readonly at: number
  readonly path: string
  readonly uses: readonly Use[]
  /** Undefined when the step has a problem of its own; its id still counts for the others. */
  readonly step: Step | undefined
  readonly origin?: { readonly at: number; readonly path: string; readonly value: Origin } | undefined
  readonly whenTrue: readonly ReadStep[]
  readonly whenFalse: readonly ReadStep[]
}

const keysOf = {
  'http.request': ['method', 'url', 'headers', 'body', 'expect', 'timeoutMs', 'retry'],
  condition: ['if', 'then', 'else'],
  transform: ['set'],
  'wait-for-approval': ['prompt', 'role'],
  'case.comment': ['text'],
} as const satisfies Record<Step['type'], readonly string[]>
const stepTypes = Object.keys(keysOf) as Step['type'][]

/** Reads a list of steps; what is wrong is noted in the reader. */
export const readSteps = (reader: Reader, node: Located, path: string, depth: number): readonly ReadStep[] => {
  if (depth > planLimits.depth) {
    reader.problem(node.at, path, `conditions may be nested ${planLimits.depth - 1} deep`)
    return []
  }
  const items = reader.list(node, path, planLimits.steps) ?? []
  if (node.kind === 'list' && items.length === 0) reader.problem(node.at, path, 'must have at least one step')
  return items.flatMap((item, index) => readStep(reader, item, `${path}[${index}]`, depth) ?? [])
}

const readStep = (reader: Reader, node: Located, path: string, depth: number): ReadStep | undefined => {
  if (node.kind !== 'map') return reader.problem(node.at, path, 'a step must be a map with id, type and its settings')
  const typeEntry = node.entries.find((entry) => entry.key === 'type')
  const type = stepTypes.find((known) => typeEntry?.value.kind === 'scalar' && typeEntry.value.value === known)
  // Without a known type the settings cannot be judged: one clear message instead of ten unclear ones.
  const settings = type === undefined ? node.entries.map((entry) => entry.key) : keysOf[type]
  const fields = reader.fields(node, path, type === undefined ? 'a step' : `a ${type} step`, [
    'id',
    'type',
    ...settings,
  ])
  if (fields === undefined) return undefined
  const id = readId(reader, fields)
  if (typeEntry === undefined) {
    reader.problem(node.at, join(path, 'type'), `"type" is missing; known here: ${stepTypes.join(', ')}`)
  } else if (type === undefined) reader.choice(typeEntry.value, join(path, 'type'), stepTypes)
  if (type === undefined) return id === undefined ? undefined : unread(id, fields)

  reader.uses = []
  const own = readSettings(reader, fields, type, id ?? '')
  const uses = reader.uses
  const branch = (key: 'then' | 'else') => {
    const entry = type === 'condition' ? fields.entry(key) : undefined
    return entry === undefined ? [] : readSteps(reader, entry.value, join(path, key), depth + 1)
  }
  const whenTrue = branch('then')
  const whenFalse = branch('else')
  if (id === undefined) return undefined
  const step = own?.type === 'condition' ? { ...own, whenTrue: bare(whenTrue), whenFalse: bare(whenFalse) } : own
  return { id, at: node.at, path, uses, step, origin: originOf(reader, fields, type), whenTrue, whenFalse }
}

const unread = (id: string, fields: Fields): ReadStep => ({
  id,
  at: fields.at,
  path: fields.path,
  uses: [],
  step: undefined,
  whenTrue: [],
  whenFalse: [],
})

/** The plan steps of a branch. */
export const bare = (steps: readonly ReadStep[]): Step[] => steps.flatMap((read) => read.step ?? [])

const readId = (reader: Reader, fields: Fields): string | undefined => {
  const entry = reader.required(fields, 'id', 'id: lookup')
  if (entry === undefined) return undefined
  const path = join(fields.path, 'id')
  const id = reader.text(entry.value, path, { min: 1, max: 200 })
  if (id === undefined) return undefined
  const parsed = StepId.safeParse(id)
  if (parsed.success) return id
  return reader.problem(entry.value.at, path, parsed.error.issues[0]?.message ?? 'is not an id')
}

const readSettings = (reader: Reader, fields: Fields, type: Step['type'], id: string): Step | undefined => {
  switch (type) {
    case 'http.request':
      return readHttp(reader, fields, id)
    case 'condition': {
      const test = reader.required(fields, 'if', 'if: steps.lookup.status == 200')
      if (reader.required(fields, 'then', 'then: followed by steps') === undefined || test === undefined)
        return undefined
      const expression = reader.expression(test.value, join(fields.path, 'if'), 'bool')
      return expression === undefined ? undefined : { id, type, if: expression, whenTrue: [], whenFalse: [] }
    }
    case 'transform':
      return readTransform(reader, fields, id)
    case 'wait-for-approval': {
      const prompt = reader.required(fields, 'prompt', 'prompt: "Block this address?"')
      const role = reader.required(fields, 'role', 'role: moderator')
      const text = prompt && reader.template(prompt.value, join(fields.path, 'prompt'), { min: 1, max: 2000 })
      const least = role && reader.choice(role.value, join(fields.path, 'role'), roles)
      return text === undefined || least === undefined ? undefined : { id, type, prompt: text, role: least }
    }
    case 'case.comment': {
      const entry = reader.required(fields, 'text', 'text: "Blocked the address"')
      const text = entry && reader.template(entry.value, join(fields.path, 'text'), { min: 1, max: 4000 })
      return text === undefined ? undefined : { id, type, text }
    }
  }
}

const readTransform = (reader: Reader, fields: Fields, id: string): StepOf<'transform'> | undefined => {
  const entry = reader.required(fields, 'set', 'set: { address: observables[0].value }')
  if (entry === undefined) return undefined
  const path = join(fields.path, 'set')
  if (entry.value.kind !== 'map' || entry.value.entries.length === 0 || entry.value.entries.length > 50) {
    return reader.problem(entry.value.at, path, 'must be a map of 1 to 50 names to expressions')
  }
  const before = reader.problems.length
  const set = entry.value.entries.map(({ key, at, value }): [string, string] => {
    if (!/^[a-z][a-zA-Z0-9_]{0,39}$/.test(key)) {
      reader.problem(at, join(path, key), 'must be letters, digits and _, at most 40, starting with a small letter')
    }
    return [key, reader.expression(value, join(path, key)) ?? '']
  })
  return reader.problems.length === before ? { id, type: 'transform', set: Object.fromEntries(set) } : undefined
}

const readHttp = (reader: Reader, fields: Fields, id: string): StepOf<'http.request'> | undefined => {
  const before = reader.problems.length
  const at = (key: string) => join(fields.path, key)
  const methodEntry = reader.required(fields, 'method', 'method: GET')
  const method = methodEntry && reader.choice(methodEntry.value, at('method'), methods)
  const urlEntry = reader.required(fields, 'url', 'url: https://api.example.com/v1/addresses')
  const url = urlEntry && reader.template(urlEntry.value, at('url'), { min: 1, max: 2048 })
  const headers = readHeaders(reader, fields)
  const body = fields.entry('body')
  const json = body && readBody(reader, body.value, at('body'))
  if (body !== undefined && (method === 'GET' || method === 'HEAD')) {
    reader.problem(body.at, at('body'), `a ${method} request has no body; remove it or use POST`)
  }
  const expect = fields.entry('expect')
  const status = expect === undefined ? [200, 201, 202, 204] : readExpect(reader, expect.value, at('expect'))
  const timeoutEntry = fields.entry('timeoutMs')
  const timeoutMs =
    timeoutEntry === undefined ? 10_000 : reader.integer(timeoutEntry.value, at('timeoutMs'), { min: 100, max: 60_000 })
  const retryEntry = fields.entry('retry')
  const retry = retryEntry && readRetry(reader, retryEntry.value, at('retry'))
  if (retryEntry !== undefined && method !== undefined && !idempotentMethods.has(method)) {
    const message = `a ${method} request may act twice when it is retried; only ${[...idempotentMethods].join(', ')} can`
    reader.problem(retryEntry.at, at('retry'), message)
  }
  if (reader.problems.length > before || method === undefined || url === undefined) return undefined
  if (headers === undefined || status === undefined || timeoutMs === undefined) return undefined
  return {
    id,
    type: 'http.request',
    method,
    url,
    headers,
    ...(json === undefined ? {} : { body: json }),
    expect: { status },
    timeoutMs,
    ...(retry === undefined ? {} : { retry }),
  }
}

const readBody = (reader: Reader, node: Located, path: string) => {
  const template = node.kind === 'scalar' && typeof node.value === 'string' && node.value.trim().startsWith('$' + '{{')
  if (node.kind === 'scalar' && !template) {
    return reader.problem(node.at, path, 'must be a map or a list (it is sent as JSON), or one template')
  }
  return reader.json(node, path)
}

const readExpect = (reader: Reader, node: Located, path: string): number[] | undefined => {
  const fields = reader.fields(node, path, 'expect', ['status'])
  const entry = fields && reader.required(fields, 'status', 'status: [200, 201]')
  const items = entry && reader.list(entry.value, join(path, 'status'), 20)
  if (entry !== undefined && items?.length === 0) {
    return reader.problem(entry.value.at, join(path, 'status'), 'must name at least one status code')
  }
  const codes = items?.map((item, index) => reader.integer(item, `${path}.status[${index}]`, { min: 100, max: 599 }))
  return codes?.flatMap((code) => code ?? [])
}

const readRetry = (reader: Reader, node: Located, path: string) => {
  const fields = reader.fields(node, path, 'retry', ['attempts', 'delayMs'])
  const attemptsEntry = fields && reader.required(fields, 'attempts', 'attempts: 3')
  const attempts = attemptsEntry && reader.integer(attemptsEntry.value, join(path, 'attempts'), { min: 2, max: 5 })
  const delayEntry = fields?.entry('delayMs')
  const delayMs =
    delayEntry === undefined ? 1000 : reader.integer(delayEntry.value, join(path, 'delayMs'), { min: 0, max: 30_000 })
  return attempts === undefined || delayMs === undefined ? undefined : { attempts, delayMs }
}

const credentialHeader = /^(authorization|cookie|x-api-key|api-key|apikey|x-auth-token|x-access-token|private-token)$/

const readHeaders = (reader: Reader, fields: Fields): Record<string, string> | undefined => {
  const entry = fields.entry('headers')
  if (entry === undefined) return {}
  const path = join(fields.path, 'headers')
  if (entry.value.kind !== 'map' || entry.value.entries.length > 32) {
    return reader.problem(entry.value.at, path, 'must be a map of at most 32 header names to text')
  }
  const headers = new Map<string, string>()
  for (const { key, at, value } of entry.value.entries) {
    const name = key.toLowerCase()
    const where = join(path, key)
    if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,64}$/.test(name)) reader.problem(at, where, 'is not a header name (RFC 9110)')
    else if (connectionHeaders.has(name)) reader.problem(at, where, `the runner sets "${name}" by itself; remove it`)
    else if (headers.has(name)) reader.problem(at, where, `"${name}" is given twice`)
    const text = reader.template(value, where, { min: 0, max: 4096 })
    if (text === undefined) continue
    if (/[\r\n]/.test(text)) reader.problem(value.at, where, 'a header value is one line; remove the line break')
    if (credentialHeader.test(name) && text.trim() !== '') {
      const message = `everybody who can read this playbook can read this credential; whoever leaves the team takes it along`
      reader.warning(at, where, message)
    }
    headers.set(name, text)
  }
  return Object.fromEntries(headers)
}

/** The literal origin of an http.request, for the comparison with the egress list. */
const originOf = (reader: Reader, fields: Fields, type: Step['type']): ReadStep['origin'] => {
  const entry = type === 'http.request' ? fields.entry('url') : undefined
  if (entry?.value.kind !== 'scalar' || typeof entry.value.value !== 'string') return undefined
  const path = join(fields.path, 'url')
  try {
    const url = entry.value.value
    const value = literalOrigin(url)
    if (/\/(\.|%2e){1,2}(\/|\?|$)/i.test(url)) {
      return reader.problem(entry.value.at, path, 'write the path without "." and ".." segments')
    }
    if (/[\s\\]/.test(url.replaceAll(/\$\{\{.*?\}\}/gs, ''))) {
      return reader.problem(entry.value.at, path, 'must not contain spaces, line breaks or backslashes')
    }
    return { at: entry.value.at, path, value }
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error
    return reader.problem(entry.value.at, path, error.message)
  }
}
