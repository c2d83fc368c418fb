// biome-ignore-all lint/a11y/useSemanticElements: rows of a virtual list stand at absolute places, which table elements cannot
// biome-ignore-all lint/a11y/useFocusableInteractive: focus stays on the grid; aria-activedescendant names the row (ARIA APG, grid)
import { useVirtualizer } from '@tanstack/react-virtual'
import { type MouseEvent, type ReactNode, useEffect, useEffectEvent, useId, useRef } from 'react'
import { type Keymap, useKeys } from './keys.ts'
import { usePhone } from './media.ts'

export type Column<T> = {
  readonly id: string
  readonly header: string
  /** A CSS grid track, such as `96px` or `minmax(0,1fr)`. */
  readonly track: string
  readonly cell: (row: T) => ReactNode
  /** Left out below this width of the grid itself, in pixels. */
  readonly from?: number
  readonly align?: 'end'
}

type GridProps<T> = {
  label: string
  rows: readonly T[]
  idOf: (row: T) => string
  columns: readonly Column<T>[]
  /** The row on a phone: two lines instead of columns. */
  card: (row: T) => ReactNode
  /** Id of the row under the cursor. */
  cursor: string | null
  onCursor: (id: string) => void
  onOpen: (row: T) => void
  selection?: { readonly chosen: ReadonlySet<string>; readonly onChange: (chosen: ReadonlySet<string>) => void }
  /** More rows exist than are loaded. */
  hasMore?: boolean
  onEnd?: () => void
  keys?: Keymap
  /** Width of the grid, in pixels, when it is not the window's; drops columns with a higher `from`. */
  width?: number
}

const rowHeight = 36
const headerHeight = 32
const cardHeight = 68

/**
 * A table that stays smooth at any length: only the rows in sight exist. `j`/`k` or arrows move, `x` or space select,
 * Enter opens, Home/End/Page keys jump. One tab stop; the cursor is announced through `aria-activedescendant`.
 */
export function Grid<T>(props: GridProps<T>) {
  const { label, rows, idOf, cursor, onCursor, onOpen, selection, hasMore = false, onEnd } = props
  const phone = usePhone()
  const viewport = useRef<HTMLDivElement>(null)
  const gridId = useId()
  const height = phone ? cardHeight : rowHeight
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => viewport.current,
    estimateSize: () => height,
    overscan: 12,
    scrollPaddingStart: phone ? 0 : headerHeight,
    getItemKey: (index) => {
      const row = rows[index]
      return row === undefined ? index : idOf(row)
    },
  })
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows of another height are measured anew
  useEffect(() => virtual.measure(), [virtual, height])

  const at = rows.findIndex((row) => idOf(row) === cursor)
  const moveTo = (index: number) => {
    const next = Math.min(rows.length - 1, Math.max(0, index))
    const row = rows[next]
    if (row === undefined) return
    onCursor(idOf(row))
    virtual.scrollToIndex(next, { align: 'auto' })
  }
  const toggle = (id: string) => {
    if (!selection) return
    const chosen = new Set(selection.chosen)
    if (!chosen.delete(id)) chosen.add(id)
    selection.onChange(chosen)
  }
  const page = Math.max(1, Math.floor((viewport.current?.clientHeight ?? 400) / height) - 1)
  const current = rows[at]
  useKeys({
    j: () => moveTo(at + 1),
    k: () => moveTo(at === -1 ? 0 : at - 1),
    arrowdown: () => moveTo(at + 1),
    arrowup: () => moveTo(at === -1 ? 0 : at - 1),
    pagedown: () => moveTo(at + page),
    pageup: () => moveTo(at - page),
    home: () => moveTo(0),
    end: () => moveTo(rows.length - 1),
    ...(current ? { enter: () => onOpen(current) } : {}),
    ...(selection && current ? { x: () => toggle(idOf(current)), ' ': () => toggle(idOf(current)) } : {}),
    ...props.keys,
  })

  const reachEnd = useEffectEvent(() => onEnd?.())
  const items = virtual.getVirtualItems()
  const last = items.at(-1)?.index ?? -1
  const nearEnd = hasMore && last >= rows.length - 15
  // biome-ignore lint/correctness/useExhaustiveDependencies: after more rows came, the end may still be near
  useEffect(() => {
    if (nearEnd) reachEnd()
  }, [nearEnd, rows.length])

  const columns = props.columns.filter((column) => column.from === undefined || (props.width ?? 9999) >= column.from)
  const tracks = [...(selection ? ['32px'] : []), ...columns.map((column) => column.track)].join(' ')
  const all = selection !== undefined && rows.length > 0 && rows.every((row) => selection.chosen.has(idOf(row)))

  return (
    <div
      role="grid"
      aria-label={label}
      aria-rowcount={hasMore ? -1 : rows.length + 1}
      aria-multiselectable={selection ? true : undefined}
      aria-activedescendant={current ? `${gridId}-${idOf(current)}` : undefined}
      tabIndex={0}
      ref={viewport}
      className="scroll-thin min-h-0 flex-1 overflow-y-auto outline-offset-[-2px]"
    >
      <div role="rowgroup" className={phone ? 'sr-only' : 'sticky top-0 z-1 border-b border-line bg-surface'}>
        <div
          role="row"
          aria-rowindex={1}
          className="grid h-8 items-center gap-x-3 px-4"
          style={{ gridTemplateColumns: tracks }}
        >
          {selection && (
            <span role="columnheader">
              <input
                type="checkbox"
                tabIndex={-1}
                aria-label="Select all loaded rows"
                checked={all}
                onChange={() => selection.onChange(all ? new Set() : new Set(rows.map(idOf)))}
                className="block size-4 accent-accent"
              />
            </span>
          )}
          {columns.map((column) => (
            <span
              role="columnheader"
              key={column.id}
              className={`truncate text-xs font-medium text-faint ${column.align === 'end' ? 'text-right' : ''}`}
            >
              {column.header}
            </span>
          ))}
        </div>
      </div>
      <div role="rowgroup" className="relative" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = rows[item.index]
          if (row === undefined) return null
          const id = idOf(row)
          const chosen = selection?.chosen.has(id) ?? false
          const isCursor = id === cursor
          const press = (event: MouseEvent) => {
            if (event.defaultPrevented || event.target instanceof HTMLInputElement) return
            onCursor(id)
            onOpen(row)
          }
          return (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the grid itself takes the keys for its rows
            <div
              role="row"
              key={id}
              id={`${gridId}-${id}`}
              aria-rowindex={item.index + 2}
              aria-selected={selection ? chosen : isCursor}
              onClick={press}
              className={`absolute inset-x-0 top-0 grid cursor-pointer items-center gap-x-3 border-b border-line px-4 ${
                chosen ? 'bg-accent-soft' : isCursor ? 'bg-hover' : 'bg-surface hover:bg-hover'
              } ${isCursor ? 'shadow-[inset_2px_0_0_var(--accent)]' : ''}`}
              style={{
                height: item.size,
                transform: `translateY(${item.start}px)`,
                gridTemplateColumns: phone ? `${selection ? '24px ' : ''}minmax(0,1fr)` : tracks,
              }}
            >
              {selection && (
                <span role="gridcell">
                  <input
                    type="checkbox"
                    tabIndex={-1}
                    aria-label="Select"
                    checked={chosen}
                    onChange={() => toggle(id)}
                    className="block size-4 accent-accent"
                  />
                </span>
              )}
              {phone ? (
                <div role="gridcell" className="min-w-0">
                  {props.card(row)}
                </div>
              ) : (
                columns.map((column) => (
                  <div
                    role="gridcell"
                    key={column.id}
                    className={`flex min-w-0 items-center *:min-w-0 *:truncate ${column.align === 'end' ? 'justify-end' : ''}`}
                  >
                    {column.cell(row)}
                  </div>
                ))
              )}
            </div>
          )
        })}
      </div>
    </div>
  )
}
