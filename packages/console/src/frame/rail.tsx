import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useApi, useMay, useWorkplace } from '../api/session.tsx'
import { IconButton } from '../components/button.tsx'
import { Icon, Mark } from '../components/icon.tsx'
import { type Place, placeGroups } from './places.ts'

/** The left rail: every place a person may go, with the number that waits in the inbox. */
export function Rail({ narrow, onNarrow }: { narrow: boolean; onNarrow: (narrow: boolean) => void }) {
  return (
    <nav
      aria-label="Main"
      className={`hidden shrink-0 flex-col border-r border-line bg-canvas md:flex ${narrow ? 'w-14' : 'w-52'}`}
    >
      <div className="flex h-12 shrink-0 items-center gap-2.5 px-4 text-accent">
        <Mark />
        {!narrow && <span className="text-lg font-semibold tracking-tight text-ink">Redoubt</span>}
      </div>
      <div className="scroll-thin min-h-0 flex-1 overflow-y-auto px-2 pb-2">
        <Places narrow={narrow} />
      </div>
      <div className="flex h-12 shrink-0 items-center px-3">
        <IconButton
          icon={narrow ? 'expand' : 'collapse'}
          label={narrow ? 'Widen the rail' : 'Narrow the rail'}
          onPress={() => onNarrow(!narrow)}
        />
      </div>
    </nav>
  )
}

/** The places in their groups; also the content of the phone's menu. */
export function Places({ narrow = false, onGo }: { narrow?: boolean; onGo?: () => void }) {
  const may = useMay()
  return placeGroups.map((group) => {
    const places = group.places.filter((place) => place.permission === null || may(place.permission))
    if (places.length === 0) return null
    return (
      <div key={group.heading ?? 'work'} className="pt-2">
        {group.heading &&
          (narrow ? (
            <div className="mx-2 my-2 border-t border-line" />
          ) : (
            <h2 className="px-2 pt-3 pb-1 text-xs font-medium text-faint">{group.heading}</h2>
          ))}
        <ul>
          {places.map((place) => (
            <li key={place.to}>
              <PlaceLink place={place} narrow={narrow} {...(onGo ? { onGo } : {})} />
            </li>
          ))}
        </ul>
      </div>
    )
  })
}

function PlaceLink({ place, narrow, onGo }: { place: Place; narrow: boolean; onGo?: () => void }) {
  const { membership } = useWorkplace()
  return (
    <Link
      to={place.to}
      params={{ slug: membership.organization.slug }}
      activeOptions={{ exact: place.to === '/o/$slug' }}
      {...(onGo ? { onClick: onGo } : {})}
      title={narrow ? place.label : undefined}
      className="flex h-8 items-center gap-2.5 rounded-md px-2 text-sm text-quiet hover:bg-hover hover:text-ink max-md:h-11 aria-[current=page]:bg-accent-soft aria-[current=page]:font-medium aria-[current=page]:text-accent"
    >
      <Icon name={place.icon} />
      <span className={narrow ? 'sr-only' : 'flex-1'}>{place.label}</span>
      {place.to === '/o/$slug/inbox' && !narrow && <Waiting />}
    </Link>
  )
}

/** How many alerts nobody has looked at; the platform stops counting at 1 000. */
export function Waiting() {
  const { trpc, queries } = useApi()
  const counts = useQuery(trpc.alerts.counts.queryOptions({}), queries)
  const total = counts.data?.newTotal ?? 0
  if (total === 0) return null
  return (
    <span className="text-2xs font-medium">
      {total >= 1000 ? '1000+' : total}
      <span className="sr-only"> new alerts</span>
    </span>
  )
}
