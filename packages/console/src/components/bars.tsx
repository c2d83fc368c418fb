/** How much of a span is left, as a bar; it turns when that is little. */
export function LifeBar({ from, to, now, label }: { from: string; to: string; now: number; label: string }) {
  const start = Date.parse(from)
  const end = Date.parse(to)
  const share = Math.min(1, Math.max(0, (end - now) / Math.max(1, end - start)))
  return <Bar share={share} label={label} fill={share < 0.1 ? 'fill-danger' : 'fill-accent'} />
}

/** How much of something is done. */
export function ProgressBar({ done, total, label }: { done: number; total: number; label: string }) {
  return <Bar share={total === 0 ? 1 : Math.min(1, done / total)} label={label} fill="fill-accent" />
}

function Bar({ share, label, fill }: { share: number; label: string; fill: string }) {
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox="0 0 100 4"
      preserveAspectRatio="none"
      className="block h-1.5 w-full min-w-16 overflow-hidden rounded-full"
    >
      <rect width="100" height="4" className="fill-line" />
      <rect width={100 * share} height="4" className={fill} />
    </svg>
  )
}
