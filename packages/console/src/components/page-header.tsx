import { type ReactNode, useEffect } from 'react'
import { Button } from './button.tsx'

/** Title of a page, which is also the title of the tab, and what can be done on it. */
export function PageHeader({ title, note, children }: { title: string; note?: ReactNode; children?: ReactNode }) {
  useTabTitle(title)
  return (
    <div className="flex min-h-14 shrink-0 flex-wrap items-center gap-x-3 gap-y-2 px-4 py-2">
      <h1 className="text-lg">{title}</h1>
      {note && <span className="text-sm text-faint">{note}</span>}
      <div className="ml-auto flex items-center gap-2">{children}</div>
    </div>
  )
}

export function useTabTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Redoubt`
  }, [title])
}

/** Says that there is more to see without moving what is seen. */
export function ArrivedPill({ arrived, onShow }: { arrived: { fresh: number; gone: number }; onShow: () => void }) {
  const parts = [
    arrived.fresh > 0 ? `${arrived.fresh} new` : '',
    arrived.gone > 0 ? `${arrived.gone} handled elsewhere` : '',
  ].filter(Boolean)
  return (
    <div role="status" className="pointer-events-none absolute inset-x-0 top-2 z-10 flex justify-center">
      {parts.length > 0 && (
        <Button
          tone="primary"
          size="small"
          className="enter pointer-events-auto rounded-full! shadow-overlay"
          onPress={onShow}
        >
          {parts.join(', ')}. Show
        </Button>
      )}
    </div>
  )
}
