import type { KeyUse, SecretSummary } from '@redoubt/contract'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useApi, useMay } from '../../api/session.tsx'
import { Tag } from '../../components/badges.tsx'
import { Button, IconButton } from '../../components/button.tsx'
import { Ago } from '../../components/clock.tsx'
import { EmptyState, ErrorState, Skeleton } from '../../components/feedback.tsx'
import { Menu, MenuItem } from '../../components/menu.tsx'
import { PageHeader } from '../../components/page-header.tsx'
import { PlainTable } from '../../components/plain-table.tsx'
import { Section } from '../../components/section.tsx'
import { secretHealthWords } from '../../components/words.ts'
import { OperatorOnly } from '../operator-only.tsx'
import { RemoveSecretDialog } from './remove-secret-dialog.tsx'
import { SetSecretDialog } from './set-secret-dialog.tsx'

const route = getRouteApi('/o/$slug/secrets')

/** Secrets by name, age and health. There is no way from here to a value: the platform has no operation that tells one. */
export function SecretsPage() {
  return (
    <OperatorOnly title="Secrets">
      <Secrets />
    </OperatorOnly>
  )
}

function Secrets() {
  const { trpc, queries } = useApi()
  const { do: doing, path } = route.useSearch()
  const navigate = route.useNavigate()
  const may = useMay()
  const secrets = useQuery(trpc.secrets.list.queryOptions({}, { refetchInterval: 30_000 }), queries)
  const usage = useQuery(trpc.keys.usage.queryOptions({}), queries)
  const items = secrets.data?.items ?? []
  const given = items.filter(({ managed }) => !managed)
  const kept = items.filter(({ managed }) => managed)
  const uses = usage.data?.items ?? []
  const close = () => void navigate({ search: {}, replace: true })
  const chosen = items.find((each) => each.path === path)
  const set = may('installation:manage') && (
    <Button tone="primary" icon="plus" onPress={() => void navigate({ search: { do: 'set' } })}>
      Set a secret
    </Button>
  )
  return (
    <>
      <PageHeader title="Secrets" note="Never a value">
        {set}
      </PageHeader>
      <Section title="Given by people">
        {secrets.isPending && <Skeleton rows={3} />}
        {secrets.isError && !secrets.data && <ErrorState error={secrets.error} retry={() => void secrets.refetch()} />}
        {secrets.data && given.length === 0 && (
          <EmptyState icon="lock" title="No secret was given yet" action={set}>
            A setting that needs a secret names its place in this store:{' '}
            <code className="font-mono text-xs">secret://smtp/password</code> in the configuration stands for what you
            set here as <code className="font-mono text-xs">smtp/password</code>.
          </EmptyState>
        )}
        {given.length > 0 && (
          <>
            <p className="px-4 pb-3 text-sm text-quiet">
              In the configuration, <code className="font-mono text-xs">secret://path</code> stands for the secret of
              that path. Each service reads only its own.
            </p>
            <SecretTable
              label="Secrets given by people"
              secrets={given}
              uses={uses}
              onDo={(act, secret) => void navigate({ search: { do: act, path: secret.path } })}
            />
          </>
        )}
      </Section>
      {kept.length > 0 && (
        <Section title="Kept by the platform" note="Made by itself; nobody sets or removes them by hand">
          <SecretTable label="Secrets kept by the platform" secrets={kept} uses={uses} onDo={null} />
        </Section>
      )}
      {doing === 'set' && (path === undefined || secrets.data) && (
        <SetSecretDialog key={path} secret={chosen} path={path ?? ''} onClose={close} />
      )}
      {doing === 'remove' && chosen && !chosen.managed && <RemoveSecretDialog secret={chosen} onClose={close} />}
    </>
  )
}

function SecretTable({
  label,
  secrets,
  uses,
  onDo,
}: {
  label: string
  secrets: readonly SecretSummary[]
  uses: readonly KeyUse[]
  /** Null where nothing can be done by hand. */
  onDo: ((act: 'set' | 'remove', secret: SecretSummary) => void) | null
}) {
  const may = useMay()
  return (
    <PlainTable
      label={label}
      rows={secrets}
      idOf={(secret) => secret.path}
      columns={[
        {
          header: 'Path',
          cell: (secret) => (
            <span className="flex flex-col">
              <span className="font-mono text-xs font-medium break-all">{secret.path}</span>
              {secret.settings.length > 0 && (
                <span className="text-xs break-all text-faint">Named by {secret.settings.join(', ')}</span>
              )}
            </span>
          ),
        },
        ...(onDo
          ? [
              {
                header: 'Health',
                className: 'sm:w-52',
                cell: (secret: SecretSummary) => <Health secret={secret} />,
              },
            ]
          : []),
        {
          header: 'Version',
          className: 'sm:w-24',
          cell: ({ version }) => (
            <span className="text-xs text-quiet">
              <span className="sm:hidden">Version </span>
              {version === 0 ? 'None' : version}
            </span>
          ),
        },
        {
          header: 'Written',
          className: 'sm:w-32',
          cell: ({ writtenAt }) => (
            <span className="text-xs text-quiet">{writtenAt === null ? 'Never' : <Ago at={writtenAt} />}</span>
          ),
        },
        {
          header: 'Read by',
          className: 'sm:w-56 max-md:hidden',
          cell: ({ path }) => <Readers uses={uses.filter(({ key }) => key === keyAt(path))} />,
        },
        ...(onDo && may('installation:manage')
          ? [
              {
                header: '',
                className: 'sm:w-12 text-right',
                cell: (secret: SecretSummary) => (
                  <Menu label={secret.path} trigger={<IconButton icon="more" label={`More about ${secret.path}`} />}>
                    <MenuItem id="set" icon="edit" onAction={() => onDo('set', secret)}>
                      {secret.version === 0 ? 'Set' : 'Replace'}
                    </MenuItem>
                    <MenuItem
                      id="remove"
                      icon="close"
                      danger
                      disabled={secret.version === 0}
                      onAction={() => onDo('remove', secret)}
                    >
                      Remove
                    </MenuItem>
                  </Menu>
                ),
              },
            ]
          : []),
      ]}
    />
  )
}

/** Under which name the keeper counts who fetched what lies at a path: most of its own are keys with versions. */
function keyAt(path: string): string {
  const lines: Readonly<Record<string, string>> = {
    'iam/access-key': 'access',
    'iam/plan-key': 'plan',
    'audit/checkpoint-key': 'checkpoint',
    'tls/authority': 'authority',
  }
  const service = /^services\/([a-z-]+)\/key$/.exec(path)?.[1]
  return lines[path] ?? (service === undefined ? `secret:${path}` : `service:${service}`)
}

function Health({ secret: { health } }: { secret: SecretSummary }) {
  if (health === 'good') return <Tag icon="check">{secretHealthWords.good}</Tag>
  return (
    <span className="inline-flex h-5 items-center gap-1 rounded-sm bg-danger-soft px-1.5 text-xs font-medium whitespace-nowrap text-danger">
      {secretHealthWords[health]}
    </span>
  )
}

function Readers({ uses }: { uses: readonly KeyUse[] }) {
  const last = uses.toSorted((a, b) => (a.lastAt < b.lastAt ? 1 : -1))[0]
  if (!last) return <span className="text-xs text-faint">Nobody since the keeper started</span>
  if (uses.length > 2)
    return (
      <span className="text-xs whitespace-nowrap text-quiet">
        <span className="font-medium text-ink">{uses.length} services</span>, last <Ago at={last.lastAt} />
      </span>
    )
  return (
    <ul className="text-xs text-quiet">
      {uses.map(({ service, lastAt }) => (
        <li key={service} className="whitespace-nowrap">
          <span className="font-medium text-ink">{service}</span> <Ago at={lastAt} />
        </li>
      ))}
    </ul>
  )
}
