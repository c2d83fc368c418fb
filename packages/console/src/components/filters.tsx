import type { Severity } from '@redoubt/contract'
import { Button as AriaButton, Menu as AriaMenu, MenuItem, MenuTrigger, Popover } from 'react-aria-components'
import { SeverityBadge } from './badges.tsx'
import { Icon } from './icon.tsx'
import { NativeSelect } from './native-select.tsx'
import { severities } from './words.ts'

const chip =
  'inline-flex h-7 items-center gap-1.5 rounded-md border border-line bg-surface px-2 text-sm text-quiet hover:bg-hover data-[on]:border-accent data-[on]:text-ink'

/** One choice out of a few, all in sight. */
export function Segments<K extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string
  value: K
  options: readonly { value: K; label: string; count?: string }[]
  onChange: (value: K) => void
}) {
  return (
    <fieldset className="scroll-thin flex max-w-full overflow-x-auto rounded-md bg-sunken p-0.5">
      <legend className="sr-only">{label}</legend>
      {options.map((option) => (
        <label
          key={option.value}
          className="relative flex h-7 cursor-pointer items-center gap-1.5 rounded-sm px-2.5 text-sm whitespace-nowrap text-quiet has-checked:bg-surface has-checked:font-medium has-checked:text-ink has-checked:shadow-raised has-focus-visible:outline-2 has-focus-visible:outline-accent"
        >
          <input
            type="radio"
            name={label}
            className="absolute opacity-0"
            checked={value === option.value}
            onChange={() => onChange(option.value)}
          />
          {option.label}
          {option.count && <span className="text-xs text-faint">{option.count}</span>}
        </label>
      ))}
    </fieldset>
  )
}

/** Any of the severities; none chosen means all. */
export function SeverityFilter({
  value,
  onChange,
}: {
  value: readonly Severity[]
  onChange: (value: Severity[]) => void
}) {
  return (
    <MenuTrigger>
      <AriaButton className={chip} {...(value.length > 0 ? { 'data-on': true } : {})}>
        {value.length === 0
          ? 'Severity'
          : value.map((severity) => <SeverityBadge key={severity} severity={severity} short={value.length > 2} />)}
        <Icon name="down" className="scale-75 text-faint" />
      </AriaButton>
      <Popover className="enter min-w-44 rounded-lg bg-surface p-1 shadow-overlay" offset={4}>
        <AriaMenu
          aria-label="Severity"
          selectionMode="multiple"
          selectedKeys={value}
          onSelectionChange={(keys) => onChange(severities.filter((severity) => keys === 'all' || keys.has(severity)))}
          className="outline-none"
        >
          {severities.map((severity) => (
            <MenuItem
              key={severity}
              id={severity}
              textValue={severity}
              className="flex h-8 cursor-pointer items-center gap-2 rounded-md px-2 outline-none data-[focused]:bg-hover"
            >
              {({ isSelected }) => (
                <>
                  <Icon name="check" className={isSelected ? 'text-accent' : 'invisible'} />
                  <SeverityBadge severity={severity} />
                </>
              )}
            </MenuItem>
          ))}
        </AriaMenu>
      </Popover>
    </MenuTrigger>
  )
}

/** One of several, as a compact native select. */
export function ChoiceFilter<K extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string
  value: K | ''
  options: readonly { value: K; label: string }[]
  onChange: (value: K | undefined) => void
}) {
  return (
    <NativeSelect
      label={label}
      value={value}
      options={[{ value: '' as const, label }, ...options]}
      onChange={(next) => onChange(next === '' ? undefined : next)}
      className={`h-7 max-w-40 rounded-md border bg-surface text-sm hover:bg-hover [field-sizing:content] ${value === '' ? 'border-line text-quiet' : 'border-accent text-ink'}`}
    />
  )
}

/** A filter that came from a search; pressing it takes it away. */
export function FilterChip({ name, value, onRemove }: { name: string; value: string; onRemove: () => void }) {
  return (
    <AriaButton onPress={onRemove} className={chip} data-on>
      <span className="sr-only">Remove filter:</span>
      <span className="text-faint">{name}</span>
      <span className="max-w-48 truncate">{value}</span>
      <Icon name="close" className="scale-75 text-faint" />
    </AriaButton>
  )
}
