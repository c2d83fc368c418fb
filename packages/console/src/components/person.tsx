/** A person by name, with their initials for the eye that scans; `compact` leaves only these in sight. */
export function Person({ name, muted, compact }: { name: string | null; muted?: boolean; compact?: boolean }) {
  if (name === null) {
    return compact ? <span className="sr-only">Nobody</span> : <span className="text-sm text-faint">Nobody</span>
  }
  const initials = name
    .split(/\s+/)
    .map((word) => word[0] ?? '')
    .slice(0, 2)
    .join('')
    .toUpperCase()
  return (
    <span title={compact ? name : undefined} className="inline-flex max-w-full items-center gap-1.5 text-sm">
      <span
        aria-hidden="true"
        className="flex size-5 shrink-0 items-center justify-center rounded-full bg-accent-soft text-[10px] leading-none font-semibold text-accent"
      >
        {initials}
      </span>
      <span className={compact ? 'sr-only' : `truncate ${muted ? 'text-quiet' : ''}`}>{name}</span>
    </span>
  )
}
