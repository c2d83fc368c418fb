import { type ReactNode, useId } from 'react'
import {
  FieldError as AriaFieldError,
  TextArea as AriaTextArea,
  TextField as AriaTextField,
  Input,
  Label,
  Text,
  type TextFieldProps,
} from 'react-aria-components'
import { failureOf } from '../api/failure.ts'
import { NativeSelect } from './native-select.tsx'

const box =
  'w-full rounded-md border border-control bg-surface text-base text-ink placeholder:text-faint focus:outline-2 focus:outline-offset-1 focus:outline-accent data-[invalid]:border-danger disabled:opacity-60'
export const controlLook = `${box} h-8 px-2`

type FieldProps = Omit<TextFieldProps, 'className' | 'style' | 'children'> & {
  label: string
  hint?: ReactNode
  /** What is wrong with this field, in words that say how to mend it. */
  error?: string | undefined
  placeholder?: string
  /** Lines of a longer text. */
  rows?: number
  mono?: boolean
  hideLabel?: boolean
}

export function TextField({ label, hint, error, placeholder, rows, mono, hideLabel, ...rest }: FieldProps) {
  const look = mono ? 'font-mono text-sm' : ''
  return (
    // Shown to people and not to the browser: its own validation would not let a form with a server’s error be sent again.
    <AriaTextField {...rest} validationBehavior="aria" isInvalid={error !== undefined} className="flex flex-col gap-1">
      <Label className={hideLabel ? 'sr-only' : 'text-sm font-medium'}>{label}</Label>
      {rows ? (
        <AriaTextArea rows={rows} placeholder={placeholder ?? ''} className={`${box} px-2 py-1.5 ${look}`} />
      ) : (
        <Input placeholder={placeholder ?? ''} className={`${controlLook} ${look}`} />
      )}
      {hint && (
        <Text slot="description" className="text-xs text-faint">
          {hint}
        </Text>
      )}
      <AriaFieldError className="text-xs text-danger">{error}</AriaFieldError>
    </AriaTextField>
  )
}

type SelectProps<K extends string> = {
  label: string
  value: K
  options: readonly { value: K; label: string }[]
  onChange: (value: K) => void
  hint?: ReactNode
  hideLabel?: boolean
  disabled?: boolean
  className?: string
}

/** The platform's own select: best on a phone, complete by keyboard. */
export function SelectField<K extends string>({
  label,
  value,
  options,
  onChange,
  hint,
  hideLabel,
  disabled,
  className = '',
}: SelectProps<K>) {
  const id = useId()
  return (
    <div className={`flex flex-col gap-1 ${className}`}>
      <label htmlFor={id} className={hideLabel ? 'sr-only' : 'text-sm font-medium'}>
        {label}
      </label>
      <NativeSelect
        id={id}
        value={value}
        options={options}
        onChange={onChange}
        disabled={disabled ?? false}
        className={`${controlLook} w-full`}
      />
      {hint && <span className="text-xs text-faint">{hint}</span>}
    </div>
  )
}

/** The message a failed call has for one field, if it has one. */
export function fieldErrorOf(error: unknown, path: string): string | undefined {
  if (!error) return undefined
  return failureOf(error).fields.find((field) => field.path === path)?.message
}
