import { useState } from 'react'
import { Icon } from '../../components/icon.tsx'

type EditableTitleProps = { value: string; prefix: string; disabled: boolean; onSave: (value: string) => Promise<void> }

/** The title, edited where it stands: Enter keeps, Escape gives back. */
export function EditableTitle({ value, prefix, disabled, onSave }: EditableTitleProps) {
  const [draft, setDraft] = useState<string | null>(null)
  const finish = () => {
    const next = draft?.trim()
    setDraft(null)
    if (next && next !== value) void onSave(next)
  }
  if (draft !== null) {
    return (
      <input
        aria-label="Title"
        ref={(input) => input?.focus()}
        value={draft}
        maxLength={300}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={finish}
        onKeyDown={(event) => {
          if (event.key === 'Enter') finish()
          if (event.key === 'Escape') setDraft(null)
        }}
        className="h-8 w-full rounded-md border border-control bg-surface px-2 text-lg font-semibold"
      />
    )
  }
  return (
    <h1 className="flex items-baseline gap-2 text-lg leading-7">
      <span className="font-normal text-faint">{prefix}</span>
      {disabled ? (
        <span className="min-w-0 break-words">{value}</span>
      ) : (
        <button
          type="button"
          onClick={() => setDraft(value)}
          title="Edit the title"
          className="group min-w-0 cursor-text rounded-sm text-left font-semibold break-words"
        >
          {value}
          <Icon
            name="edit"
            className="ml-2 inline text-faint opacity-0 group-hover:opacity-100 group-focus-visible:opacity-100"
          />
        </button>
      )}
    </h1>
  )
}
