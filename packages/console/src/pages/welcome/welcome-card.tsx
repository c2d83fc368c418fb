import type { ReactNode } from 'react'
import { Mark } from '../../components/icon.tsx'

/** The one card of the pages before sign-in. */
export function WelcomeCard({ title, intro, children }: { title: string; intro?: ReactNode; children: ReactNode }) {
  return (
    <main className="flex min-h-full flex-col items-center bg-canvas px-4 py-10 sm:py-[14vh]">
      <div className="w-full max-w-sm">
        <p className="mb-6 flex items-center justify-center gap-2.5 text-accent">
          <Mark className="scale-125" />
          <span className="text-xl font-semibold tracking-tight text-ink">Redoubt</span>
        </p>
        <div className="rounded-lg bg-surface p-6 shadow-raised">
          <h1 className="text-lg">{title}</h1>
          {intro && <div className="mt-1 text-sm text-quiet">{intro}</div>}
          <div className="mt-5">{children}</div>
        </div>
      </div>
    </main>
  )
}
