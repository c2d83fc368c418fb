import { useId, useState } from 'react'
import { Button } from './button.tsx'
import { CodeBlock } from './code-block.tsx'

/** Something to take away: selectable, copied with one press, optionally readable only on demand. */
export function CopyField({ label, value, hint }: { label: string; value: string; hint?: string }) {
  const id = useId()
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      <div className="flex gap-2">
        <input
          id={id}
          readOnly
          value={value}
          onFocus={(event) => event.target.select()}
          className="h-8 min-w-0 flex-1 rounded-md border border-control bg-sunken px-2 font-mono text-xs"
        />
        <CopyButton value={value} />
      </div>
      {hint && <p className="text-xs text-faint">{hint}</p>}
    </div>
  )
}

/** A command of several lines to take away, seen whole. */
export function CopyCommand({ label, value, hint }: { label: string; value: string; hint?: string }) {
  return (
    <div className="flex flex-col gap-1">
      <div className="flex items-end justify-between gap-2">
        <h3 className="text-sm font-medium">{label}</h3>
        <CopyButton value={value} />
      </div>
      <CodeBlock label={label} text={value} />
      {hint && <p className="text-xs text-faint">{hint}</p>}
    </div>
  )
}

function CopyButton({ value }: { value: string }) {
  const [copied, setCopied] = useState(false)
  return (
    <Button
      icon={copied ? 'check' : 'copy'}
      onPress={async () => {
        await navigator.clipboard.writeText(value)
        setCopied(true)
      }}
    >
      {copied ? 'Copied' : 'Copy'}
    </Button>
  )
}
