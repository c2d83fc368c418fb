/** Text as it is, in a box that scrolls. */
export function CodeBlock({ label, text, className = '' }: { label: string; text: string; className?: string }) {
  return (
    <section
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard (WCAG 2.1.1)
      tabIndex={0}
      className={`scroll-thin max-h-96 overflow-auto rounded-md bg-sunken p-3 ${className}`}
    >
      <pre className="font-mono text-xs break-all whitespace-pre-wrap">{text}</pre>
    </section>
  )
}
