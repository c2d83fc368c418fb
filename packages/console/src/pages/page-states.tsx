import { type ErrorComponentProps, Link, useRouter } from '@tanstack/react-router'
import { buttonLook } from '../components/button.tsx'
import { EmptyState, ErrorState, Skeleton } from '../components/feedback.tsx'

/** A page that is on its way, in the shape of a list. */
export function PagePending() {
  return (
    <div className="min-h-0 flex-1">
      <div className="flex h-14 items-center px-4">
        <div className="skeleton h-4 w-32" />
      </div>
      <Skeleton rows={8} />
    </div>
  )
}

/** A page that failed; the frame around it stays. */
export function PageError({ error, reset }: ErrorComponentProps) {
  const router = useRouter()
  return (
    <ErrorState
      error={error}
      retry={() => {
        reset()
        void router.invalidate()
      }}
    />
  )
}

export function NotFoundPage() {
  return (
    <EmptyState
      icon="search"
      title="There is no such page"
      action={
        <Link to="/" className={buttonLook('plain')}>
          Go to the start
        </Link>
      }
    >
      The address may be mistyped, or what it named was removed.
    </EmptyState>
  )
}
