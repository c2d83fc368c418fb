import type { ReactNode } from 'react'
import {
  Button as AriaButton,
  type ButtonProps as AriaButtonProps,
  Tooltip,
  TooltipTrigger,
} from 'react-aria-components'
import { Icon, type IconName } from './icon.tsx'

type Tone = 'primary' | 'plain' | 'ghost' | 'ghost-danger' | 'danger'

const shape =
  'inline-flex items-center justify-center gap-2 rounded-md text-sm font-medium whitespace-nowrap select-none transition-colors duration-100 disabled:opacity-50 data-[disabled]:opacity-50'
const size = { medium: 'h-8 px-3', small: 'h-7 px-2', large: 'h-10 px-4 text-base' }
const tones: Record<Tone, string> = {
  primary: 'bg-accent text-on-accent hover:bg-accent-hover',
  plain: 'bg-surface text-ink shadow-raised hover:bg-hover',
  ghost: 'text-quiet hover:bg-hover hover:text-ink',
  'ghost-danger': 'text-danger hover:bg-danger-soft',
  danger: 'bg-surface text-danger shadow-raised hover:bg-danger-soft',
}

/** The look of a button, for links that act as one. */
export const buttonLook = (tone: Tone = 'plain', of: keyof typeof size = 'medium') =>
  `${shape} ${size[of]} ${tones[tone]}`

type ButtonProps = Omit<AriaButtonProps, 'className' | 'style' | 'children'> & {
  tone?: Tone
  size?: keyof typeof size
  icon?: IconName
  busy?: boolean
  className?: string
  children: ReactNode
  'aria-keyshortcuts'?: string
}

export function Button({
  tone = 'plain',
  size: of = 'medium',
  icon,
  busy,
  className = '',
  children,
  ...rest
}: ButtonProps) {
  return (
    <AriaButton {...rest} isPending={busy ?? false} className={`${buttonLook(tone, of)} ${className}`}>
      {busy ? <Spinner /> : icon && <Icon name={icon} />}
      {children}
    </AriaButton>
  )
}

/** A square button whose label is its tooltip. */
export function IconButton({
  icon,
  label,
  className = '',
  ...rest
}: Omit<AriaButtonProps, 'className' | 'style' | 'children'> & { icon: IconName; label: string; className?: string }) {
  return (
    <TooltipTrigger delay={500} closeDelay={0}>
      <AriaButton
        {...rest}
        aria-label={label}
        className={`inline-flex size-8 shrink-0 items-center justify-center rounded-md text-quiet hover:bg-hover hover:text-ink data-[disabled]:opacity-50 ${className}`}
      >
        <Icon name={icon} />
      </AriaButton>
      <Tip>{label}</Tip>
    </TooltipTrigger>
  )
}

export function Tip({ children }: { children: ReactNode }) {
  return (
    <Tooltip offset={6} className="max-w-80 rounded-md bg-ink px-2 py-1 text-xs text-surface">
      {children}
    </Tooltip>
  )
}

export function Spinner() {
  return (
    <svg aria-hidden="true" width="16" height="16" viewBox="0 0 16 16" className="animate-spin">
      <circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" strokeOpacity="0.25" strokeWidth="2" />
      <path d="M14 8a6 6 0 0 0-6-6" fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round" />
    </svg>
  )
}

/** A key of the keyboard. */
export function Kbd({ children }: { children: ReactNode }) {
  return (
    <kbd className="inline-flex h-5 min-w-5 items-center justify-center rounded-sm border border-line bg-canvas px-1 font-sans text-2xs text-quiet">
      {children}
    </kbd>
  )
}
