import type { ReactElement, ReactNode } from 'react'
import { Menu as AriaMenu, MenuItem as AriaMenuItem, MenuTrigger, Popover } from 'react-aria-components'
import { Icon, type IconName } from './icon.tsx'

const popover = 'enter min-w-48 max-w-80 rounded-lg bg-surface p-1 shadow-overlay outline-none'

/** A button that opens a list of actions. */
export function Menu({ trigger, label, children }: { trigger: ReactElement; label: string; children: ReactNode }) {
  return (
    <MenuTrigger>
      {trigger}
      <Popover className={popover} offset={4}>
        <AriaMenu aria-label={label} className="scroll-thin max-h-80 overflow-auto outline-none">
          {children}
        </AriaMenu>
      </Popover>
    </MenuTrigger>
  )
}

type ItemProps = {
  id?: string
  icon?: IconName
  onAction?: () => void
  children: ReactNode
  /** What a screen reader and type-ahead use when the children are not plain text. */
  text?: string
  note?: ReactNode
  disabled?: boolean
  danger?: boolean
}

export function MenuItem({ icon, onAction, children, text, note, disabled, danger, id }: ItemProps) {
  return (
    <AriaMenuItem
      {...(id === undefined ? {} : { id })}
      {...(onAction ? { onAction } : {})}
      textValue={text ?? (typeof children === 'string' ? children : '')}
      isDisabled={disabled ?? false}
      className={`flex min-h-8 cursor-pointer items-center gap-2 rounded-md px-2 py-1 text-sm outline-none data-[disabled]:opacity-50 data-[focused]:bg-hover ${danger ? 'text-danger' : ''}`}
    >
      {icon && <Icon name={icon} className="text-faint" />}
      <span className="min-w-0 flex-1 truncate">{children}</span>
      {note && <span className="text-xs text-faint">{note}</span>}
    </AriaMenuItem>
  )
}
