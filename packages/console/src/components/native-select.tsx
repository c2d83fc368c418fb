import { Icon } from './icon.tsx'

type NativeSelectProps<K extends string> = {
  id?: string
  label?: string
  value: K
  options: readonly { readonly value: K; readonly label: string }[]
  onChange: (value: K) => void
  disabled?: boolean
  /** Look of the control itself; its height and border. */
  className?: string
}

/** The browser's own select, best on a phone and complete by keyboard, with the console's arrow. */
export function NativeSelect<K extends string>({
  id,
  label,
  value,
  options,
  onChange,
  disabled = false,
  className = '',
}: NativeSelectProps<K>) {
  return (
    <span className="relative inline-flex max-w-full min-w-0 has-[.w-full]:w-full">
      <select
        id={id}
        aria-label={label}
        value={value}
        disabled={disabled}
        onChange={(event) => {
          const chosen = options.find((option) => option.value === event.target.value)
          if (chosen) onChange(chosen.value)
        }}
        className={`max-w-full appearance-none truncate pr-6 pl-2 disabled:opacity-100 ${className}`}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value} className="bg-surface text-ink">
            {option.label}
          </option>
        ))}
      </select>
      {!disabled && (
        <span className="pointer-events-none absolute inset-y-0 right-1 flex items-center text-faint">
          <Icon name="down" className="scale-75" />
        </span>
      )}
    </span>
  )
}
