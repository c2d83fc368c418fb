import type { KeyLine, RotatableKey, SigningKeyHealth } from '@redoubt/contract'
import type { ReactNode } from 'react'
import { useMay } from '../../api/session.tsx'
import { Tag } from '../../components/badges.tsx'
import { Button } from '../../components/button.tsx'
import { Ago, Until } from '../../components/clock.tsx'
import { PlainTable } from '../../components/plain-table.tsx'
import { keysOf, keyWords, signingStateWords } from '../../components/words.ts'
import { KeyTimeline } from './key-timeline.tsx'

type Row = { readonly key: RotatableKey; readonly lines: readonly KeyLine[] }

/** Every key in one row: its picture, its versions, when it turns, and the way to turn it now. */
export function KeyLines({
  lines,
  signing,
  dataKeys,
  onRotate,
}: {
  lines: readonly KeyLine[]
  signing: readonly SigningKeyHealth[]
  /** Said in place of a picture: there is one line per organization. */
  dataKeys: string
  onRotate: (key: RotatableKey) => void
}) {
  const may = useMay()
  const rows: readonly Row[] = keysOf(keyWords)
    .map((key) => ({
      key,
      lines: lines.filter((line) => (key === 'services' ? line.key.startsWith('service:') : line.key === key)),
    }))
    .filter(({ key, lines: of }) => key === 'data' || of.length > 0)
  return (
    <>
      <Legend />
      <PlainTable
        label="Keys"
        rows={rows}
        idOf={({ key }) => key}
        columns={[
          {
            header: 'Key',
            className: 'sm:w-56',
            cell: ({ key }) => <Name of={key} signing={signing.find((each) => each.key === key)} />,
          },
          {
            header: 'From the active version to its next rotation',
            className: 'max-sm:w-full sm:min-w-40',
            cell: ({ key, lines: of }) => {
              const shown = soonest(of)
              return shown ? (
                <KeyTimeline line={shown} name={keyWords[key].name} />
              ) : (
                <span className="text-xs text-quiet">{dataKeys}</span>
              )
            },
          },
          {
            header: 'Versions',
            className: 'sm:w-64',
            cell: ({ lines: of }) => <Versions lines={of} />,
          },
          {
            header: 'Next rotation',
            className: 'sm:w-32',
            cell: ({ lines: of }) => {
              const shown = soonest(of)
              return (
                <span className="text-xs text-quiet">
                  {shown ? (
                    <>
                      <span className="sm:hidden">Rotates </span>
                      <Until at={shown.nextRotationAt} />
                    </>
                  ) : (
                    'Each at its own age'
                  )}
                </span>
              )
            },
          },
          {
            header: '',
            className: 'sm:w-24 text-right',
            cell: ({ key }) =>
              may('installation:manage') && (
                <Button
                  size="small"
                  tone="ghost"
                  aria-label={`Rotate ${keyWords[key].name}`}
                  onPress={() => onRotate(key)}
                >
                  Rotate
                </Button>
              ),
          },
        ]}
      />
    </>
  )
}

function Name({ of, signing }: { of: RotatableKey; signing: SigningKeyHealth | undefined }) {
  const { name, does } = keyWords[of]
  const isBad = signing?.state === 'OUTAGE' || signing?.state === 'DEGRADED'
  return (
    <span className="flex flex-col">
      <span className="flex items-center gap-2">
        <span className="font-medium">{name}</span>
        {signing && signing.state !== 'READY' && (
          <Tag icon={isBad ? 'warning' : 'clock'} strong={!isBad}>
            {signingStateWords[signing.state].name}
          </Tag>
        )}
      </span>
      <span className="text-xs text-faint">{does}</span>
    </span>
  )
}

/** What the marks of a picture mean; its words say the same to those who do not see it. */
function Legend() {
  return (
    <p aria-hidden="true" className="flex flex-wrap gap-x-4 gap-y-1 px-4 pb-2 text-xs text-quiet">
      <Mark word="In use">
        <rect y="1" width="14" height="8" rx="2" className="fill-accent" />
      </Mark>
      <Mark word="Coming">
        <rect x="0.5" y="3" width="13" height="4" rx="2" className="fill-surface stroke-accent" />
      </Mark>
      <Mark word="Still accepted">
        <rect y="3.5" width="14" height="3" rx="1.5" className="fill-informational-mark" />
      </Mark>
      <Mark word="Now">
        <path d="M7 0V10" className="stroke-ink" strokeWidth="1.5" />
      </Mark>
    </p>
  )
}

function Mark({ word, children }: { word: string; children: ReactNode }) {
  return (
    <span className="inline-flex items-center gap-1.5">
      <svg aria-hidden="true" width="14" height="10" viewBox="0 0 14 10">
        {children}
      </svg>
      {word}
    </span>
  )
}

/** Of several alike, as the keys of the services, the one that turns first. */
const soonest = (lines: readonly KeyLine[]): KeyLine | undefined =>
  lines.toSorted((a, b) => (a.nextRotationAt < b.nextRotationAt ? -1 : 1))[0]

function Versions({ lines }: { lines: readonly KeyLine[] }) {
  if (lines.length > 1) {
    const turning = lines.filter(({ versions }) => versions.some(({ state }) => state === 'pending')).length
    return (
      <span className="text-xs text-quiet">
        {lines.length} keys{turning > 0 ? `, ${turning} with a successor pending` : ', one per service'}
      </span>
    )
  }
  const versions = lines[0]?.versions ?? []
  const shown = versions.filter(({ state }) => state !== 'ended').slice(0, 4)
  return (
    <ul className="flex flex-col gap-0.5 text-xs text-quiet">
      {shown.map(({ version, state, activeAt, endsAt, keyId }) => (
        <li key={version} title={keyId ?? undefined}>
          <span className={state === 'active' ? 'font-medium text-ink' : ''}>Version {version}</span>{' '}
          {state === 'pending' && (
            <>
              signs <Until at={activeAt} late="ago" />
            </>
          )}
          {state === 'active' && (
            <>
              active since <Ago at={activeAt} />
            </>
          )}
          {state === 'retiring' &&
            (endsAt === null ? (
              'still verifies'
            ) : (
              <>
                ends <Until at={endsAt} late="ago" />
              </>
            ))}
        </li>
      ))}
      {versions.length > shown.length && <li>and {versions.length - shown.length} older</li>}
    </ul>
  )
}
