import type { ReactNode } from 'react'

type Cell<T> = { readonly header: string; readonly cell: (row: T) => ReactNode; readonly className?: string }

/** A short table that fits on one page: real table markup, cells that stack on a phone. */
export function PlainTable<T>({
  label,
  rows,
  idOf,
  columns,
}: {
  label: string
  rows: readonly T[]
  idOf: (row: T) => string
  columns: readonly Cell<T>[]
}) {
  return (
    <table aria-label={label} className="w-full border-collapse bg-surface text-left text-sm max-sm:block">
      <thead className="max-sm:sr-only">
        <tr className="border-b border-line">
          {columns.map((column) => (
            <th
              key={column.header}
              scope="col"
              className={`h-8 px-2 text-xs font-medium text-faint first:pl-4 last:pr-4 ${column.className ?? ''}`}
            >
              {column.header === '' ? <span className="sr-only">Actions</span> : column.header}
            </th>
          ))}
        </tr>
      </thead>
      <tbody className="max-sm:block">
        {rows.map((row) => (
          <tr
            key={idOf(row)}
            className="border-b border-line max-sm:flex max-sm:flex-wrap max-sm:items-center max-sm:gap-x-3 max-sm:px-4 max-sm:py-2"
          >
            {columns.map((column) => (
              <td
                key={column.header}
                className={`h-11 px-2 py-1 first:pl-4 last:pr-4 max-sm:h-auto max-sm:px-0 max-sm:py-0.5 max-sm:first:w-full max-sm:first:pl-0 max-sm:last:ml-auto max-sm:last:pr-0 ${column.className ?? ''}`}
              >
                {column.cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}
