import type { Json } from '@redoubt/contract'
import { splitTemplate, TemplateError } from '@redoubt/contract'
import { checkExpression, type Reference } from './expression.ts'
import type { Entry, Located, Problem, Source } from './source.ts'
import { suggestion } from './suggestion.ts'

/** An expression found in a step: where it stands and which steps it reads. */
export type Use = { readonly at: number; readonly path: string; readonly references: readonly Reference[] }

/** A map whose keys are known: the entry of a key, where it stands, and its path. */
export type Fields = { readonly at: number; readonly path: string; readonly entry: (key: string) => Entry | undefined }

type Bounds = { readonly min: number; readonly max: number }

/**
 * Reads located YAML into typed values. It never stops at the first fault: each reading returns undefined for what is
 * wrong and notes a problem, so that an author sees all of them at once.
 */
export class Reader {
  readonly problems: Problem[] = []
  readonly warnings: Problem[] = []
  /** Expressions read since the caller last emptied this. */
  uses: Use[] = []
  readonly #position: Source['position']

  constructor(position: Source['position']) {
    this.#position = position
  }

  problem(at: number, path: string, message: string): undefined {
    this.problems.push({ ...this.#position(at), path, message })
    return undefined
  }

  warning(at: number, path: string, message: string): void {
    this.warnings.push({ ...this.#position(at), path, message })
  }

  line(at: number): number {
    return this.#position(at).line
  }

  /** A map with these keys and no other; `what` is how the message calls it. */
  fields(node: Located, path: string, what: string, keys: readonly string[]): Fields | undefined {
    if (node.kind !== 'map') return this.problem(node.at, path, `${what} must be a map with ${keys.join(', ')}`)
    for (const entry of node.entries) {
      if (!keys.includes(entry.key)) {
        this.problem(
          entry.at,
          join(path, entry.key),
          `${what} has no "${clip(entry.key)}"${suggestion(entry.key, keys)}`,
        )
      }
    }
    return { at: node.at, path, entry: (key) => node.entries.find((entry) => entry.key === key) }
  }

  /** The entry of a key that must be there; `example` shows how to write it. */
  required(fields: Fields, key: string, example: string): Entry | undefined {
    const entry = fields.entry(key)
    return entry ?? this.problem(fields.at, join(fields.path, key), `"${key}" is missing; write for example ${example}`)
  }

  text(node: Located, path: string, { min, max }: Bounds): string | undefined {
    if (node.kind !== 'scalar' || typeof node.value !== 'string') {
      return this.problem(node.at, path, 'must be text; put it in quotes')
    }
    if (node.value.trim().length < min) return this.problem(node.at, path, 'must not be empty')
    if (node.value.length > max) return this.problem(node.at, path, `must be at most ${max} characters`)
    if (node.value.includes('\u0000')) return this.problem(node.at, path, 'must not contain NUL')
    return node.value
  }

  integer(node: Located, path: string, { min, max }: Bounds): number | undefined {
    const value = node.kind === 'scalar' ? node.value : undefined
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
    return this.problem(node.at, path, `must be a whole number from ${min} to ${max}`)
  }

  boolean(node: Located, path: string): boolean | undefined {
    if (node.kind === 'scalar' && typeof node.value === 'boolean') return node.value
    return this.problem(node.at, path, 'must be true or false')
  }

  choice<T extends string>(node: Located, path: string, choices: readonly T[]): T | undefined {
    const value = node.kind === 'scalar' ? String(node.value) : ''
    const found = choices.find((choice) => choice === value)
    if (found !== undefined) return found
    return this.problem(node.at, path, `"${clip(value)}" is not possible here${suggestion(value, choices)}`)
  }

  list(node: Located, path: string, max: number): readonly Located[] | undefined {
    if (node.kind !== 'list') return this.problem(node.at, path, 'must be a list; start each item with "- "')
    if (node.items.length > max) return this.problem(node.at, path, `must have at most ${max} items`)
    return node.items
  }

  /** A CEL expression. `type` is what it must come to, where that is known before it runs. */
  expression(node: Located, path: string, type?: 'bool'): string | undefined {
    // `if: true` is a boolean to YAML and a fine expression to CEL.
    const source = node.kind === 'scalar' && node.value !== null ? String(node.value).trim() : undefined
    if (source === undefined || source === '') return this.problem(node.at, path, 'must be a CEL expression')
    if (source.startsWith('$' + '{{')) {
      return this.problem(node.at, path, 'is an expression already; remove the template braces around it')
    }
    return this.#checked(source, node.at, path, type) ? source : undefined
  }

  /** Text in which templates may stand. */
  template(node: Located, path: string, bounds: Bounds): string | undefined {
    const source = this.text(node, path, bounds)
    return source !== undefined && this.#templatesChecked(source, node.at, path) ? source : undefined
  }

  /** Any JSON value; templates may stand in its strings, but not in its keys. */
  json(node: Located, path: string): Json | undefined {
    const before = this.problems.length
    const value = this.#json(node, path)
    return this.problems.length === before ? value : undefined
  }

  #json(node: Located, path: string): Json {
    if (node.kind === 'list') return node.items.map((item, index) => this.#json(item, `${path}[${index}]`))
    if (node.kind === 'map') {
      // Object.fromEntries defines own properties, so a key named __proto__ stays a key.
      return Object.fromEntries(
        node.entries.map((entry) => [entry.key, this.#json(entry.value, join(path, entry.key))]),
      )
    }
    if (typeof node.value === 'string') this.#templatesChecked(node.value, node.at, path)
    return node.value
  }

  #templatesChecked(source: string, at: number, path: string): boolean {
    try {
      const parts = splitTemplate(source)
      return parts.every((part) => 'text' in part || this.#checked(part.expression, at, path))
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error
      this.problem(at, path, error.message)
      return false
    }
  }

  #checked(source: string, at: number, path: string, type?: 'bool'): boolean {
    const checked = checkExpression(source)
    if (!checked.ok) {
      this.problem(at, path, `${checked.message} (in ${clip(source)})`)
      return false
    }
    this.uses.push({ at, path, references: checked.references })
    if (type !== undefined && checked.type !== type && checked.type !== 'dyn') {
      this.problem(at, path, `must come to true or false, but this comes to ${checked.type}; compare it with something`)
      return false
    }
    return true
  }
}

export const join = (path: string, key: string): string => (path === '' ? clip(key) : `${path}.${clip(key)}`)

const clip = (text: string): string => {
  const line = text.replaceAll(/\s+/g, ' ')
  return line.length > 60 ? `${line.slice(0, 59)}…` : line
}
