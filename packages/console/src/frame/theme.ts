import { useSyncExternalStore } from 'react'

export const themes = ['system', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]
export const themeWords: Record<Theme, string> = { system: 'System', light: 'Light', dark: 'Dark' }
export const themeIcons = { system: 'system', light: 'sun', dark: 'moon' } as const

const key = 'redoubt.theme'
const listeners = new Set<() => void>()

const stored = (): Theme => themes.find((theme) => theme === localStorage.getItem(key)) ?? 'system'

/** Puts the chosen theme on the document; called before the first paint. */
export function applyTheme(theme: Theme = stored()): void {
  if (theme === 'system') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = theme
}

export function chooseTheme(theme: Theme): void {
  localStorage.setItem(key, theme)
  applyTheme(theme)
  for (const listener of listeners) listener()
}

export function useTheme(): Theme {
  return useSyncExternalStore((listener) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }, stored)
}
