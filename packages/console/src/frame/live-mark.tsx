import { type LiveState, useLiveState } from '../api/live.ts'
import { Icon } from '../components/icon.tsx'

const words: Record<LiveState, string> = {
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  offline: 'Offline',
}

/** Whether what one sees follows the platform. Silent when all is well, in words when it is not. */
export function LiveMark() {
  const state = useLiveState()
  const isQuiet = state === 'live' || state === 'connecting'
  return (
    <span role="status" className="flex shrink-0 items-center gap-1.5 px-1 text-xs">
      {isQuiet ? (
        <svg aria-hidden="true" width="8" height="8" viewBox="0 0 8 8">
          <circle
            cx="4"
            cy="4"
            r={state === 'live' ? 4 : 3}
            className={state === 'live' ? 'fill-accent' : 'fill-transparent stroke-control'}
          />
        </svg>
      ) : (
        <Icon name="offline" className="text-danger" />
      )}
      <span className={isQuiet ? 'sr-only' : 'font-medium text-danger max-sm:sr-only'}>{words[state]}</span>
    </span>
  )
}
