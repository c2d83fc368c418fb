import type { ReactNode } from 'react'

/** One figure or state among others. */
export function Card({
  title,
  aside,
  children,
  className = '',
}: {
  title: string
  aside?: ReactNode
  children: ReactNode
  className?: string
}) {
  return (
    <section className={`flex min-w-0 flex-col rounded-lg bg-surface p-4 shadow-raised ${className}`}>
      <div className="mb-3 flex min-h-5 items-center justify-between gap-3">
        <h2 className="text-sm">{title}</h2>
        {aside && <span className="text-xs text-faint">{aside}</span>}
      </div>
      {children}
    </section>
  )
}
