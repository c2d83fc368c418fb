import type { Case } from '@redoubt/contract'
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useApi, useMay, useWorkplace } from '../../api/session.tsx'
import { SeverityBadge, TlpBadge } from '../../components/badges.tsx'
import { Button, IconButton } from '../../components/button.tsx'
import { CasePicker } from '../../components/case-picker.tsx'
import { Ago } from '../../components/clock.tsx'
import { Icon } from '../../components/icon.tsx'
import { Menu, MenuItem } from '../../components/menu.tsx'
import { Person } from '../../components/person.tsx'
import { PersonPicker } from '../../components/person-picker.tsx'
import { announce } from '../../components/toast.tsx'
import { audienceWords, severities } from '../../components/words.ts'
import { CaseClock } from './case-columns.tsx'
import { EditableTitle } from './editable-title.tsx'
import { PhaseStepper } from './phase-stepper.tsx'
import { ShareDialog } from './share-dialog.tsx'
import { StartRunDialog } from './start-run-dialog.tsx'
import type { CaseEditing } from './use-case.ts'

export function CaseHeader({ of, editing }: { of: Case; editing: CaseEditing }) {
  const may = useMay()
  const navigate = useNavigate()
  const { client } = useApi()
  const { slug } = useWorkplace().membership.organization
  const [asking, setAsking] = useState<'owner' | 'share' | 'merge' | 'run' | null>(null)
  const isOpen = of.closedAt === null
  const mayEdit = may('case:edit') && of.mergedInto === null
  const close = () => setAsking(null)
  return (
    <header className="shrink-0 border-b border-line bg-surface px-4 pt-3">
      {of.mergedInto && (
        <p className="mb-2 flex items-center gap-2 rounded-md bg-hover px-3 py-1.5 text-sm">
          <Icon name="merge" className="text-faint" />
          This case was merged into{' '}
          <Link
            to="/o/$slug/cases/$caseId"
            params={{ slug, caseId: of.mergedInto.id }}
            className="font-medium text-accent underline"
          >
            #{of.mergedInto.number}
          </Link>
        </p>
      )}
      <div className="flex items-start gap-3">
        <div className="min-w-0 flex-1">
          <EditableTitle
            value={of.title}
            prefix={`#${of.number}`}
            disabled={!mayEdit}
            onSave={(title) => editing.save({ title })}
          />
        </div>
        {may('run:start') && isOpen && (
          <Button icon="run" onPress={() => setAsking('run')} className="max-sm:hidden">
            Run playbook
          </Button>
        )}
        <Menu label="Case" trigger={<IconButton icon="more" label="More" />}>
          <MenuItem id="run" icon="run" disabled={!may('run:start') || !isOpen} onAction={() => setAsking('run')}>
            Run playbook
          </MenuItem>
          <MenuItem id="owner" icon="user" disabled={!mayEdit} onAction={() => setAsking('owner')}>
            Change owner
          </MenuItem>
          <MenuItem id="share" icon="lock" disabled={!may('case:share')} onAction={() => setAsking('share')}>
            TLP and audience
          </MenuItem>
          <MenuItem
            id="merge"
            icon="merge"
            disabled={!may('case:merge') || !isOpen}
            onAction={() => setAsking('merge')}
          >
            Merge into another case
          </MenuItem>
        </Menu>
      </div>
      <div className="mt-2 flex flex-wrap items-center gap-x-4 gap-y-2 text-sm">
        {mayEdit ? (
          <Menu
            label="Severity"
            trigger={
              <Button tone="ghost" size="small" className="-mx-2">
                <SeverityBadge severity={of.severity} />
              </Button>
            }
          >
            {severities.map((severity) => (
              <MenuItem key={severity} id={severity} text={severity} onAction={() => void editing.save({ severity })}>
                <SeverityBadge severity={severity} />
              </MenuItem>
            ))}
          </Menu>
        ) : (
          <SeverityBadge severity={of.severity} />
        )}
        <CaseClock of={of} />
        <button
          type="button"
          disabled={!may('case:share')}
          onClick={() => setAsking('share')}
          title={audienceWords[of.audience]}
          className="inline-flex items-center gap-2 rounded-sm"
        >
          <TlpBadge tlp={of.tlp} />
          {of.audience === 'named' && <span className="text-xs text-quiet">Named people</span>}
        </button>
        <button
          type="button"
          disabled={!mayEdit}
          onClick={() => setAsking('owner')}
          className="inline-flex items-center rounded-sm"
        >
          <span className="sr-only">Owner: </span>
          <Person name={of.owner?.name ?? null} />
        </button>
        {of.recipients.length > 0 && (
          <span className="text-sm text-quiet">
            <span className="text-faint">Recipients </span>
            {of.recipients.map((recipient) => recipient.name).join(', ')}
          </span>
        )}
        {of.techniques.length > 0 && <span className="font-mono text-xs text-quiet">{of.techniques.join(' ')}</span>}
        <span className="text-xs text-faint">
          Opened <Ago at={of.openedAt} /> by {of.openedBy}
          {of.rule && <> · rule “{of.rule}”</>}
        </span>
      </div>
      <PhaseStepper of={of} disabled={!mayEdit} editing={editing} />
      {asking === 'owner' && (
        <PersonPicker
          title="Owner of this case"
          nobody="Nobody"
          onClose={close}
          onPick={(person) => void editing.save({ ownerId: person?.id ?? null })}
        />
      )}
      {asking === 'share' && <ShareDialog of={of} editing={editing} onClose={close} />}
      {asking === 'run' && <StartRunDialog of={of} onClose={close} />}
      {asking === 'merge' && (
        <CasePicker
          title={`Merge #${of.number} into`}
          except={of.id}
          onClose={close}
          onPick={async (target) => {
            const done = await editing.attempt('Not merged', (version) =>
              client.cases.merge.mutate({ id: of.id, version, into: target.id }),
            )
            if (!done) return
            announce(`#${of.number} merged into #${target.number}`)
            await navigate({ to: '/o/$slug/cases/$caseId', params: { slug, caseId: target.id } })
          }}
        />
      )}
    </header>
  )
}
