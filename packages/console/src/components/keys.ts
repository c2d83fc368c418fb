import { useEffect, useEffectEvent } from 'react'

/** What a key does: `event.key`, names such as `enter` in lower case, with `ctrl+` before it for Control or Command. */
export type Keymap = Readonly<Record<string, () => void>>

/**
 * Keys of a page. They rest while somebody types, while a dialog or menu is open, and for any other modifier, so that
 * the browser's and the screen reader's own keys stay theirs (WCAG 2.1.4: they act only where there is no text field).
 */
export function useKeys(keymap: Keymap): void {
  const act = useEffectEvent((event: KeyboardEvent) => {
    const combined = event.ctrlKey || event.metaKey
    const name = event.key.length > 1 || combined ? event.key.toLowerCase() : event.key
    const action = keymap[combined ? `ctrl+${name}` : name]
    if (!action || event.altKey || event.defaultPrevented) return
    if (!combined && isBusyElsewhere(event.composedPath()[0], event.key)) return
    event.preventDefault()
    action()
  })
  useEffect(() => {
    const listener = (event: KeyboardEvent) => act(event)
    addEventListener('keydown', listener)
    return () => removeEventListener('keydown', listener)
  }, [])
}

function isBusyElsewhere(target: EventTarget | undefined, key: string): boolean {
  if (document.querySelector('[role=dialog], [role=menu]')) return true
  if (!(target instanceof HTMLElement)) return false
  const takesKey =
    key === 'Enter' || key === ' ' ? 'button, a, summary, input, textarea' : 'input:not([type=checkbox]), textarea'
  return target.closest(`${takesKey}, select, [contenteditable]`) !== null
}
