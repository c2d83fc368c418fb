import { useId, useState } from 'react'
import { Button } from './button.tsx'

/** Something to take away: selectable, copied with one press, optionally readable only on demand. */
export function CopyField({ label, value, hint }: { label: string; value: string; hint?: string }) {
  const id = useId()
  const [copied, setCopied] = useState(false)
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
        <Button
          icon={copied ? 'check' : 'copy'}
          onPress={async () => {
            await navigator.clipboard.writeText(value)
            setCopied(true)
          }}
        >
          {copied ? 'Copied' : 'Copy'}
        </Button>
      </div>
      {hint && <p className="text-xs text-faint">{hint}</p>}
    </div>
  )
}
