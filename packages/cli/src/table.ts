import { displayText, displayWidth, shorten } from './display-text.ts'

/** How to print: columns of the terminal, and whether it shows weight and colour. */
export type Style = { readonly width: number; readonly color: boolean }
/** Text that is laid out when it is known where it goes. */
export type Text = (style: Style) => string

export type Column<T> = {
  readonly head: string
  readonly value: (row: T) => string | number | null
  readonly align?: 'right'
  /** Never cut: ids and slugs are copied into the next command. */
  readonly whole?: true
}

const gap = '  '
const narrowest = 8

/** Aligned columns within the width; the widest that may be cut gives way first. `none` is said of an empty list. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[], none: string): Text {
  return (style) => {
    if (rows.length === 0) return none
    const cells = rows.map((row) => columns.map(({ value }) => displayText(String(value(row) ?? '–'))))
    const widths = columns.map(({ head }, at) =>
      Math.max(displayWidth(head), ...cells.map((row) => displayWidth(row[at] as string))),
    )
    fit(widths, columns, style.width)
    const line = (texts: readonly string[]) =>
      texts
        .map((text, at) => pad(shorten(text, widths[at] as number), widths[at] as number, columns[at]?.align))
        .join(gap)
        .trimEnd()
    const head = line(columns.map((column) => column.head))
    return [style.color ? bold(head) : head, ...cells.map(line)].join('\n')
  }
}

/** One thing: names on the left, values on the right, each on as many lines as it has. */
export function card(fields: readonly (readonly [name: string, value: string | number | null])[]): Text {
  return (style) => {
    const width = Math.max(...fields.map(([name]) => displayWidth(name)))
    return fields
      .flatMap(([name, value]) =>
        String(value ?? '–')
          .split('\n')
          .map((line, at) => {
            const label = pad(at === 0 ? name : '', width)
            return `${style.color ? dim(label) : label}${gap}${displayText(line)}`.trimEnd()
          }),
      )
      .join('\n')
  }
}

/** Several texts with an empty line between them. */
export const stacked =
  (...texts: readonly Text[]): Text =>
  (style) =>
    texts.map((text) => text(style)).join('\n\n')

/** Sentences of our own around values of others; each argument is one line. */
export const sentences =
  (...lines: readonly string[]): Text =>
  () =>
    lines.map(displayText).join('\n')

/** `2026-06-01 09:30 UTC`; a dash for what has not happened. */
export const moment = (timestamp: string | null): string | null =>
  timestamp === null ? null : `${new Date(timestamp).toISOString().slice(0, 16).replace('T', ' ')} UTC`

export const bold = (text: string): string => `\u001b[1m${text}\u001b[22m`
const dim = (text: string): string => `\u001b[2m${text}\u001b[22m`

function fit(widths: number[], columns: readonly Column<never>[], available: number): void {
  const total = () => widths.reduce((sum, width) => sum + width, gap.length * (widths.length - 1))
  while (total() > available) {
    let widest = -1
    for (const [at, width] of widths.entries()) {
      if (columns[at]?.whole || width <= narrowest) continue
      if (widest < 0 || width > (widths[widest] as number)) widest = at
    }
    if (widest < 0) return
    widths[widest] = (widths[widest] as number) - 1
  }
}

function pad(text: string, width: number, align?: 'right'): string {
  const space = ' '.repeat(Math.max(0, width - displayWidth(text)))
  return align === 'right' ? space + text : text + space
}
