import type { Case, Phase } from '@redoubt/contract'
import { useState } from 'react'
import { useApi } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import { TextField } from '../../components/fields.tsx'
import { Icon } from '../../components/icon.tsx'
import { announce } from '../../components/toast.tsx'
import { phases, phaseWords } from '../../components/words.ts'
import type { CaseEditing } from './use-case.ts'

/** The phases of ALERT-2 from left to right: what is behind, where the case is, what may come next and what it still needs. */
export function PhaseStepper({ of, disabled, editing }: { of: Case; disabled: boolean; editing: CaseEditing }) {
  const [asked, setAsked] = useState<Case['nextPhases'][number] | null>(null)
  const { client } = useApi()
  const at = phases.indexOf(of.phase)
  const move = async (to: Phase) => {
    const from = of.phase
    const done = await editing.attempt('The phase did not change', (version) =>
      client.cases.changePhase.mutate({ id: of.id, version, to }),
    )
    if (done) announce(`${phaseWords[from]} → ${phaseWords[to]}`)
  }
  return (
    <ol aria-label="Phase" className="scroll-thin -mx-4 mt-3 flex overflow-x-auto px-4">
      {phases.map((phase, index) => {
        const next = of.nextPhases.find((each) => each.phase === phase)
        const isHere = index === at
        const isPast = index < at
        const look = `flex h-9 w-full items-center gap-1.5 border-b-2 px-1 text-sm whitespace-nowrap ${
          isHere
            ? 'border-accent font-semibold text-ink'
            : isPast
              ? 'border-accent text-quiet'
              : 'border-transparent text-faint'
        }`
        const content = (
          <>
            {isPast && <Icon name="check" className="text-accent" />}
            {phaseWords[phase]}
            {next && next.missing.length > 0 && !disabled && <Icon name="lock" className="scale-75" />}
          </>
        )
        return (
          <li key={phase} aria-current={isHere ? 'step' : undefined} className="min-w-24 flex-1">
            {next && !disabled ? (
              <button
                type="button"
                onClick={() => (next.missing.length === 0 ? void move(phase) : setAsked(next))}
                title={next.missing.length === 0 ? `Move to ${phaseWords[phase]}` : `Needs ${next.missing.join(', ')}`}
                className={`${look} rounded-t-sm hover:bg-hover hover:text-ink`}
              >
                {content}
              </button>
            ) : (
              <span className={look}>{content}</span>
            )}
          </li>
        )
      })}
      {asked && (
        <MissingDialog
          of={of}
          phase={asked.phase}
          missing={asked.missing}
          editing={editing}
          onClose={() => setAsked(null)}
        />
      )}
    </ol>
  )
}

type MissingProps = {
  of: Case
  phase: Phase
  missing: readonly string[]
  editing: CaseEditing
  onClose: () => void
}

/** What a phase still needs; the resolution can be written right here. */
function MissingDialog({ of, phase, missing, editing, onClose }: MissingProps) {
  const [resolution, setResolution] = useState(of.resolution ?? '')
  return (
    <Dialog title={`Before ${phaseWords[phase]}`} onClose={onClose}>
      <p className="text-sm text-quiet">This case still needs:</p>
      <ul className="flex flex-col gap-1 text-sm">
        {missing.map((each) => (
          <li key={each} className="flex items-center gap-2">
            <Icon name="task" className="text-faint" />
            {each}
          </li>
        ))}
      </ul>
      <TextField
        label="Resolution"
        rows={4}
        value={resolution}
        onChange={setResolution}
        hint="What happened and how it ended."
      />
      <DialogActions>
        <Button onPress={onClose}>Close</Button>
        <Button
          tone="primary"
          isDisabled={resolution.trim() === '' || resolution === of.resolution}
          onPress={async () => {
            await editing.save({ resolution })
            onClose()
          }}
        >
          Save resolution
        </Button>
      </DialogActions>
    </Dialog>
  )
}
