import type { SigningKeyHealth } from '@redoubt/contract'
import { Tag } from '../../components/badges.tsx'
import { Card } from '../../components/card.tsx'
import { ErrorNote } from '../../components/feedback.tsx'
import { Icon } from '../../components/icon.tsx'
import { keysOf, keyWords, masterWords, plural, signingStateWords, storeWords } from '../../components/words.ts'

const grave = keysOf(signingStateWords)

/** The state machine of the signing keys, the gravest state first in words, with each key's own. */
export function SigningCard({
  health,
  answeredBy,
  error,
}: {
  health: readonly SigningKeyHealth[] | undefined
  answeredBy: string | undefined
  error: unknown
}) {
  const worst = health?.map(({ state }) => state).toSorted((a, b) => grave.indexOf(b) - grave.indexOf(a))[0]
  const isBad = worst === 'OUTAGE' || worst === 'DEGRADED'
  return (
    <Card title="Signing keys" aside={answeredBy && `As ${answeredBy} holds them`} className="sm:max-xl:col-span-2">
      <div className="flex flex-col gap-2">
        {error !== null && !health && <ErrorNote error={error} />}
        {!health && error === null && <Waiting />}
        {worst && health && (
          <>
            <ol aria-label="States of a signing key" className="flex flex-wrap gap-1">
              {grave.map((state) => (
                <li
                  key={state}
                  {...(state === worst ? { 'aria-current': 'step' } : {})}
                  className={`inline-flex h-6 items-center gap-1 rounded-sm px-2 text-xs ${
                    state !== worst
                      ? 'text-faint ring-1 ring-line ring-inset'
                      : isBad
                        ? 'bg-danger-soft font-medium text-danger'
                        : 'bg-accent-soft font-medium text-accent'
                  }`}
                >
                  {state === worst && <Icon name={isBad ? 'warning' : 'check'} className="-ml-0.5 scale-75" />}
                  {signingStateWords[state].name}
                </li>
              ))}
            </ol>
            <p className="text-xs text-quiet">{signingStateWords[worst].means}</p>
            <ul className="flex flex-wrap gap-x-4 gap-y-1 text-xs text-quiet">
              {health.map(({ key, state, version }) => (
                <li key={key} className="whitespace-nowrap">
                  <span className="font-medium text-ink">{keyWords[key].name}</span> version {version},{' '}
                  {signingStateWords[state].name.toLowerCase()}
                </li>
              ))}
            </ul>
          </>
        )}
      </div>
    </Card>
  )
}

export function MasterCard({
  master,
  isPending,
}: {
  master: { provider: string; id: string } | undefined
  isPending: boolean
}) {
  return (
    <Card title="Master key">
      <div className="flex flex-col gap-2">
        {isPending && <Waiting />}
        {!isPending && !master && <Unknown />}
        {master && (
          <>
            <p className="flex items-center gap-2 text-sm">
              <Icon name="key" className="text-quiet" />
              {masterWords[master.provider] ?? master.provider}
            </p>
            <p className="font-mono text-xs break-all text-quiet">{master.id}</p>
            <p className="text-xs text-faint">Wraps the key-encryption keys and nothing else.</p>
          </>
        )}
      </div>
    </Card>
  )
}

export function StoreCard({
  store,
  isPending,
}: {
  store: { kind: string; reachable: boolean; secrets: number } | undefined
  isPending: boolean
}) {
  return (
    <Card title="Secret store">
      <div className="flex flex-col gap-2">
        {isPending && <Waiting />}
        {!isPending && !store && <Unknown />}
        {store && (
          <>
            <p className="flex items-center gap-2 text-sm">
              <Icon name="lock" className="text-quiet" />
              {storeWords[store.kind] ?? store.kind}
              <Tag icon={store.reachable ? 'check' : 'warning'} strong={store.reachable}>
                {store.reachable ? 'Answers' : 'Does not answer'}
              </Tag>
            </p>
            <p className="text-xs text-quiet">{plural(store.secrets, 'secret')}, the platform’s own among them.</p>
          </>
        )}
      </div>
    </Card>
  )
}

function Waiting() {
  return (
    <div aria-busy="true" className="flex flex-col gap-2">
      <span className="sr-only">Loading</span>
      <div className="skeleton h-4 w-2/3" />
      <div className="skeleton h-3 w-1/2" />
    </div>
  )
}

function Unknown() {
  return <p className="text-xs text-quiet">The keeper does not answer.</p>
}
