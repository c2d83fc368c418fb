import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { AdapterType, Severity, Technique } from '@redoubt/contract'
import { LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { StartError } from '../../../platform/app-error.ts'
import { severityRank } from '../../../platform/severity.ts'
import { OBSERVABLE_TYPES } from '../../alerts/index.ts'

/** One rule as the decision reads it: severities as ranks, the window in milliseconds. */
export type CorrelationRule = {
  readonly name: string
  readonly when: {
    readonly severity: number
    /** Null fits every kind of source. */
    readonly types: ReadonlySet<string> | null
    readonly techniques: readonly string[] | null
  }
  readonly sharing: ReadonlySet<string>
  readonly withinMs: number
  readonly open: { readonly severity: number | null; readonly alerts: number | null }
}
export type CorrelationRules = { readonly ignore: ReadonlySet<string>; readonly rules: readonly CorrelationRule[] }

const unitMs = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const longest = 30 * unitMs.d
const Window = z
  .string()
  .regex(/^[1-9]\d{0,3}[mhd]$/, 'must be a time such as 30m, 24h or 7d')
  .transform((value) => Number(value.slice(0, -1)) * unitMs[value.slice(-1) as keyof typeof unitMs])
  .refine((ms) => ms <= longest, 'must be at most 30d')

const Rule = z.strictObject({
  name: z.string().min(1).max(120),
  when: z.strictObject({
    severity: Severity.default('informational'),
    types: z.array(AdapterType).min(1).optional(),
    techniques: z.array(Technique).min(1).max(200).optional(),
  }),
  together: z.strictObject({ sharing: z.array(z.enum(OBSERVABLE_TYPES)).min(1), within: Window }),
  open: z
    .strictObject({ severity: Severity.optional(), alerts: z.int().min(2).max(1000).optional() })
    .refine(
      (open) => open.severity !== undefined || open.alerts !== undefined,
      'must name a severity, a number of alerts, or both',
    ),
})
const RulesFile = z.strictObject({
  ignore: z.array(z.string().min(1).max(2048)).max(1000).default([]),
  rules: z
    .array(Rule)
    .max(100)
    .refine((rules) => new Set(rules.map(({ name }) => name)).size === rules.length, 'two rules have the same name'),
})

/** The rules that come with the platform, or those of a file. @throws StartError with the line that is wrong */
export function readCorrelationRules(
  path = join(import.meta.dirname, '..', 'correlation-rules.yaml'),
): CorrelationRules {
  return parseCorrelationRules(readFileSync(path, 'utf8'), basename(path))
}

/** @throws StartError naming file, line, field and how to mend it */
export function parseCorrelationRules(yaml: string, file: string): CorrelationRules {
  const lines = new LineCounter()
  const document = parseDocument(yaml, { lineCounter: lines, strict: true, uniqueKeys: true })
  const lineAt = (offset: number | undefined) => lines.linePos(offset ?? 0).line
  const [broken] = document.errors
  if (broken)
    throw new StartError(
      `${file}, line ${lineAt(broken.pos[0])}: this is not YAML: ${broken.message.split('\n', 1)[0]}`,
    )
  const parsed = RulesFile.safeParse(document.toJS({ maxAliasCount: 0 }) ?? {})
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    const path = issue?.path ?? []
    throw new StartError(
      `${file}, line ${lineAt(offsetOf(document, path))}: ${path.join('.') || 'the file'}: ${issue?.message}`,
    )
  }
  return {
    ignore: new Set(parsed.data.ignore),
    rules: parsed.data.rules.map(({ name, when, together, open }) => ({
      name,
      when: {
        severity: severityRank(when.severity),
        types: when.types ? new Set<string>(when.types) : null,
        techniques: when.techniques ?? null,
      },
      sharing: new Set<string>(together.sharing),
      withinMs: together.within,
      open: { severity: open.severity ? severityRank(open.severity) : null, alerts: open.alerts ?? null },
    })),
  }
}

/** Where the nearest written node of this path begins: a missing field has none of its own. */
function offsetOf(document: ReturnType<typeof parseDocument>, path: readonly PropertyKey[]): number | undefined {
  for (let depth = path.length; depth > 0; depth -= 1) {
    const node = document.getIn(path.slice(0, depth), true) as { range?: [number, number, number] | null } | undefined
    if (node?.range) return node.range[0]
  }
  return undefined
}
