import type { Playbook } from '@redoubt/contract'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, useBlocker, useNavigate } from '@tanstack/react-router'
import { lazy, Suspense, useEffect, useRef, useState } from 'react'
import { failureOf } from '../../api/failure.ts'
import type { Outputs } from '../../api/router-type.ts'
import { useApi, useMay, useWorkplace } from '../../api/session.tsx'
import { Tag, TlpBadge } from '../../components/badges.tsx'
import { Button, IconButton } from '../../components/button.tsx'
import { ErrorNote, ErrorState, Skeleton } from '../../components/feedback.tsx'
import { Segments } from '../../components/filters.tsx'
import { Icon } from '../../components/icon.tsx'
import { useKeys } from '../../components/keys.ts'
import { useMedia } from '../../components/media.ts'
import { Menu, MenuItem } from '../../components/menu.tsx'
import { useTabTitle } from '../../components/page-header.tsx'
import { announce, announceFailure } from '../../components/toast.tsx'
import { plural } from '../../components/words.ts'
import { firstPlaybook } from './first-playbook.ts'

const Flow = lazy(() => import('../../components/flow.tsx').then((module) => ({ default: module.Flow })))
const YamlEditor = lazy(() =>
  import('../../components/yaml-editor.tsx').then((module) => ({ default: module.YamlEditor })),
)

const route = getRouteApi('/o/$slug/playbooks/$playbookId')

export function PlaybookPage() {
  const { playbookId } = route.useParams()
  const { trpc, queries } = useApi()
  const query = useQuery(trpc.playbooks.get.queryOptions({ id: playbookId }, { refetchOnWindowFocus: false }), queries)
  if (query.isPending) return <Skeleton rows={10} />
  if (query.isError && !query.data) return <ErrorState error={query.error} retry={() => void query.refetch()} />
  return <Workbench key={query.data.id} playbook={query.data} />
}

export function NewPlaybookPage() {
  return <Workbench playbook={null} />
}

type Check = Outputs['playbooks']['check']

/** How long a person may pause while typing before the text is checked. */
const pauseMs = 350

/** YAML on the left, what it means on the right, errors at their line. */
function Workbench({ playbook }: { playbook: Playbook | null }) {
  const { client, queries, trpc } = useApi()
  const may = useMay()
  const navigate = useNavigate()
  const { slug } = useWorkplace().membership.organization
  const isWide = useMedia('(min-width: 860px)')
  const [pane, setPane] = useState<'yaml' | 'graph'>('yaml')
  const [text, setText] = useState(playbook?.yaml ?? firstPlaybook)
  const [check, setCheck] = useState<Check | null>(null)
  const [graph, setGraph] = useState(playbook?.graph ?? null)
  const [failure, setFailure] = useState<unknown>(null)
  const [isSaving, setSaving] = useState(false)
  const [jump, setJump] = useState<{ line: number } | null>(null)
  const saved = useRef(playbook?.yaml ?? '')
  const isChanged = text !== saved.current
  const mayWrite = may('playbook:write') && !playbook?.archived
  useTabTitle(playbook?.name ?? 'New playbook')
  useBlocker({
    shouldBlockFn: () => isChanged && playbook !== null && !confirm('Leave without saving the changed playbook?'),
    enableBeforeUnload: () => isChanged && playbook !== null,
  })

  useEffect(() => {
    let isLatest = true
    const timer = setTimeout(async () => {
      const result = await client.playbooks.check.mutate({ yaml: text }).catch(() => null)
      if (!isLatest || result === null) return
      setCheck(result)
      if (result.graph) setGraph(result.graph)
    }, pauseMs)
    return () => {
      isLatest = false
      clearTimeout(timer)
    }
  }, [text, client])

  const save = async () => {
    if (!mayWrite || isSaving) return
    setSaving(true)
    setFailure(null)
    try {
      const next = playbook
        ? await client.playbooks.update.mutate({ id: playbook.id, version: playbook.version, yaml: text })
        : await client.playbooks.create.mutate({ yaml: text })
      saved.current = text
      queries.setQueryData(trpc.playbooks.get.queryKey({ id: next.id }), next)
      void queries.invalidateQueries(trpc.playbooks.list.queryFilter())
      announce(`${next.name}, version ${next.version} saved`)
      if (!playbook) await navigate({ to: '/o/$slug/playbooks/$playbookId', params: { slug, playbookId: next.id } })
    } catch (error) {
      setFailure(error)
      if (failureOf(error).code === 'stale') void queries.invalidateQueries(trpc.playbooks.get.queryFilter())
    }
    setSaving(false)
  }
  const archive = async () => {
    if (!playbook) return
    try {
      const next = await client.playbooks.archive.mutate({
        id: playbook.id,
        version: playbook.version,
        archived: !playbook.archived,
      })
      queries.setQueryData(trpc.playbooks.get.queryKey({ id: next.id }), next)
      announce(next.archived ? 'Archived' : 'Restored')
    } catch (error) {
      announceFailure('Nothing changed', error)
    }
  }
  useKeys({ 'ctrl+s': () => void save() })

  const showLine = (line: number) => {
    setPane('yaml')
    setJump({ line })
  }
  const problems = [
    ...(check?.errors ?? []).map((problem) => ({ ...problem, grave: true })),
    ...(check?.warnings ?? []).map((problem) => ({ ...problem, grave: false })),
  ]
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <header className="flex min-h-14 shrink-0 flex-wrap items-center gap-x-3 gap-y-2 border-b border-line bg-surface px-4 py-2">
        <h1 className="min-w-0 truncate text-lg">{playbook?.name ?? 'New playbook'}</h1>
        {playbook && <TlpBadge tlp={playbook.tlp} />}
        {playbook && <span className="text-sm text-faint">Version {playbook.version}</span>}
        {playbook?.archived && <Tag>Archived</Tag>}
        <div className="ml-auto flex items-center gap-2">
          <Verdict check={check} />
          {mayWrite && (
            <Button
              tone="primary"
              busy={isSaving}
              isDisabled={!isChanged || (check !== null && !check.ok)}
              onPress={() => void save()}
            >
              Save
            </Button>
          )}
          {playbook && may('playbook:write') && (
            <Menu label="Playbook" trigger={<IconButton icon="more" label="More" />}>
              <MenuItem id="archive" icon="case" onAction={() => void archive()}>
                {playbook.archived ? 'Restore' : 'Archive'}
              </MenuItem>
            </Menu>
          )}
        </div>
      </header>
      {failure !== null && (
        <div className="p-2">
          <ErrorNote error={failure} />
        </div>
      )}
      {!isWide && (
        <div className="border-b border-line px-4 py-2">
          <Segments
            label="Show"
            value={pane}
            options={[
              { value: 'yaml', label: 'YAML' },
              { value: 'graph', label: 'Graph' },
            ]}
            onChange={setPane}
          />
        </div>
      )}
      <div className="flex min-h-0 flex-1">
        {(isWide || pane === 'yaml') && (
          <div className="flex min-w-0 flex-1 flex-col border-r border-line">
            <div className="min-h-0 flex-1">
              <Suspense fallback={<Skeleton rows={12} />}>
                <YamlEditor
                  label="Playbook YAML"
                  value={text}
                  onChange={setText}
                  marks={problems}
                  readOnly={!mayWrite}
                  jump={jump}
                />
              </Suspense>
            </div>
            {problems.length > 0 && (
              <ul
                aria-label="Problems"
                className="scroll-thin max-h-40 shrink-0 overflow-auto border-t border-line bg-surface p-1"
              >
                {problems.map((problem) => (
                  <li key={`${problem.line} ${problem.column} ${problem.message}`}>
                    <button
                      type="button"
                      onClick={() => showLine(problem.line)}
                      className="flex w-full items-start gap-2 rounded-md px-2 py-1 text-left text-sm hover:bg-hover"
                    >
                      <Icon name="warning" className={`mt-0.5 ${problem.grave ? 'text-danger' : 'text-faint'}`} />
                      <span className="shrink-0 text-faint">
                        {problem.line}:{problem.column}
                      </span>
                      <span className="min-w-0">
                        <span className="sr-only">{problem.grave ? 'Error: ' : 'Warning: '}</span>
                        {problem.message}
                      </span>
                    </button>
                  </li>
                ))}
              </ul>
            )}
          </div>
        )}
        {(isWide || pane === 'graph') && (
          <div className="relative min-w-0 flex-1">
            {check && !check.ok && (
              <p className="absolute top-2 left-2 z-10 rounded-md bg-surface px-2 py-1 text-xs text-quiet shadow-raised">
                As of the last valid text
              </p>
            )}
            {graph && (
              <Suspense fallback={<div className="skeleton m-4 h-1/2" />}>
                <Flow graph={graph} onStep={(id) => showLine(graph.nodes.find((node) => node.id === id)?.line ?? 1)} />
              </Suspense>
            )}
          </div>
        )}
      </div>
    </div>
  )
}

function Verdict({ check }: { check: Check | null }) {
  if (check === null) return null
  return (
    <span role="status" className={`flex items-center gap-1.5 text-sm ${check.ok ? 'text-quiet' : 'text-danger'}`}>
      <Icon name={check.ok ? 'check' : 'warning'} className={check.ok ? 'text-accent' : ''} />
      {check.ok ? 'Valid' : plural(check.errors.length, 'error')}
      {check.ok && check.warnings.length > 0 && `, ${plural(check.warnings.length, 'warning')}`}
    </span>
  )
}
