/** One line of the table, and the keys it has in the JSON. */
export type Figure = {
  readonly what: string
  readonly unit: 'events/s' | 'requests/s' | 'operations/s' | 'ms' | 'µs' | 'MB'
  readonly value: number
  /** Measured in the same run, in the same unit. */
  readonly reference?: { readonly what: string; readonly value: number }
  /** The value as a multiple of the reference: their quotient, or the median of interleaved quotients. */
  readonly ratio?: number
  readonly target?: { readonly of: 'value' | 'ratio' } & ({ readonly atLeast: number } | { readonly atMost: number })
  readonly keys: Readonly<Partial<Record<FigureKey, number>>>
}

export const figureKeys = [
  'ingestRatio',
  'ingestPerSecond',
  'ingestAckP99Ms',
  'listRatio',
  'listP99Ms',
  'coldStartMs',
  'warmStartMs',
  'rssMb',
  'auditAppendPerSecond',
  'auditVerifyPerSecond',
  'sealRatio',
  'openRatio',
  'signRatio',
  'verifyRatio',
  'planSignPerSecond',
  'planVerifyPerSecond',
  'internalTlsAddedUs',
  'internalSignedAddedUs',
  'internalCallAddedUs',
  'internalCallRatio',
] as const
export type FigureKey = (typeof figureKeys)[number]

/** The figures as text, a line each. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => [
    figure.what,
    `${numberText(figure.value)} ${figure.unit}`,
    figure.reference ? `${figure.reference.what}: ${numberText(figure.reference.value)} ${figure.unit}` : '',
    ratioOf(figure)?.toFixed(2) ?? '',
    targetText(figure),
    verdictOf(figure),
  ])
  const head = ['figure', 'measured', 'reference', 'ratio', 'target', '']
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => (row[at] as string).length)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) =>
        at === 1 || at === 3 ? cell.padStart(widths[at] as number) : cell.padEnd(widths[at] as number),
      )
      .join('  ')
      .trimEnd()
  return [line(head), widths.map((width) => '─'.repeat(width)).join('  '), ...rows.map(line)].join('\n')
}

/** One flat object, a key for each figure, in a fixed order. */
export function jsonOf(figures: readonly Figure[]): string {
  const values = Object.assign({}, ...figures.map((figure) => figure.keys)) as Partial<Record<FigureKey, number>>
  return JSON.stringify(Object.fromEntries(figureKeys.map((key) => [key, rounded(key, values[key] ?? Number.NaN)])))
}

const ratioOf = ({ ratio, reference, value }: Figure): number | undefined =>
  ratio ?? (reference ? value / reference.value : undefined)

function verdictOf(figure: Figure): 'ok' | 'short' | '' {
  const { target } = figure
  if (!target) return ''
  const value = target.of === 'ratio' ? (ratioOf(figure) ?? Number.NaN) : figure.value
  const met = 'atLeast' in target ? value >= target.atLeast : value <= target.atMost
  return met ? 'ok' : 'short'
}

function targetText({ target, unit }: Figure): string {
  if (!target) return ''
  const bound = 'atLeast' in target ? `≥ ${target.atLeast}` : `≤ ${numberText(target.atMost)}`
  return target.of === 'ratio' ? `ratio ${bound}` : `${bound} ${unit}`
}

const numberText = (value: number): string =>
  value.toLocaleString('en-GB', { maximumFractionDigits: value < 100 ? 1 : 0 })

const rounded = (key: FigureKey, value: number): number => Number(value.toFixed(key.endsWith('Ratio') ? 3 : 1))
