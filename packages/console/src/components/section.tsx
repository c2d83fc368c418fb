import { type ReactNode, useId } from 'react'

/** A part of a page that has several, with a heading of its own. */
export function Section({ title, note, children }: { title: string; note?: ReactNode; children: ReactNode }) {
  const id = useId()
  return (
    <section aria-labelledby={id} className="border-t border-line">
      <div className="flex flex-wrap items-baseline gap-x-3 px-4 pt-4 pb-2">
        <h2 id={id} className="text-base">
          {title}
        </h2>
        {note && <span className="text-xs text-faint">{note}</span>}
      </div>
      {children}
    </section>
  )
}
