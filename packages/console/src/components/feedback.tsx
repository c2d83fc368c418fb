import type { ReactNode } from 'react'
import { failureOf } from '../api/failure.ts'
import { Button } from './button.tsx'
import { Icon, type IconName } from './icon.tsx'

/** First use, or nothing found: what this place is for and the one next step. */
export function EmptyState({
  icon,
  title,
  children,
  action,
}: {
  icon: IconName
  title: string
  children: ReactNode
  action?: ReactNode
}) {
  return (
    <div className="flex flex-col items-center justify-center gap-3 px-6 py-16 text-center">
      <span className="flex size-10 items-center justify-center rounded-lg bg-hover text-quiet">
        <Icon name={icon} />
      </span>
      <h2 className="text-base">{title}</h2>
      <div className="max-w-96 text-sm text-quiet">{children}</div>
      {action}
    </div>
  )
}

/** What failed, what was kept, what to do, and the request id. */
export function ErrorState({ error, retry, kept }: { error: unknown; retry?: () => void; kept?: string }) {
  const failure = failureOf(error)
  return (
    <div role="alert" className="flex flex-col items-center justify-center gap-3 px-6 py-16 text-center">
      <span className="flex size-10 items-center justify-center rounded-lg bg-danger-soft text-danger">
        <Icon name={failure.code === 'unreachable' ? 'offline' : failure.code === 'forbidden' ? 'lock' : 'warning'} />
      </span>
      <h2 className="text-base">{failure.title}</h2>
      <p className="max-w-[30rem] text-sm text-quiet">
        {failure.detail && <>{failure.detail} </>}
        {kept && <>{kept} </>}
        {failure.advice}
      </p>
      {retry && <Button onPress={retry}>Try again</Button>}
      {failure.requestId && <RequestId id={failure.requestId} />}
    </div>
  )
}

export function RequestId({ id }: { id: string }) {
  return (
    <p className="text-xs text-faint">
      Request <span className="font-mono select-all">{id}</span>
    </p>
  )
}

/** A failed action, beside what it belongs to. `marked` names the fields that say at their own input what is wrong. */
export function ErrorNote({ error, marked = [] }: { error: unknown; marked?: readonly string[] }) {
  if (!error) return null
  const failure = failureOf(error)
  if (failure.fields.length > 0 && failure.fields.every(({ path }) => marked.includes(path))) {
    return (
      <p role="alert" className="text-sm text-danger">
        {failure.fields.length === 1 ? 'Mend the marked field' : 'Mend the marked fields'} and send again.
      </p>
    )
  }
  const unmarked = failure.fields.filter(({ path, message }) => path !== '' && message !== failure.detail)
  return (
    <div role="alert" className="flex gap-2 rounded-md bg-danger-soft px-3 py-2 text-sm text-danger">
      <Icon name="warning" className="mt-0.5" />
      <div>
        <p>
          <strong className="font-semibold">{failure.title}.</strong> {failure.detail ?? failure.advice}
        </p>
        {unmarked.map((field) => (
          <p key={field.path}>
            {field.path}: {field.message}
          </p>
        ))}
        {failure.requestId && <p className="text-xs">Request {failure.requestId}</p>}
      </div>
    </div>
  )
}

/** Lines in the shape of what comes. */
export function Skeleton({ rows = 6, className = '' }: { rows?: number; className?: string }) {
  return (
    <div aria-busy="true" className={className}>
      <span className="sr-only">Loading</span>
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the rows are alike and never move
        <div key={row} className="flex h-10 items-center gap-4 border-b border-line px-4">
          <div className="skeleton h-3 w-16" />
          <div className={`skeleton h-3 ${['w-1/2', 'w-2/5', 'w-3/5', 'w-1/3'][row % 4]}`} />
          <div className="skeleton ml-auto h-3 w-12" />
        </div>
      ))}
    </div>
  )
}
