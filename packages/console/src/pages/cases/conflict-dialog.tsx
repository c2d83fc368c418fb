import { Button } from '../../components/button.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import type { CaseEditing, Conflict } from './use-case.ts'

const fieldWords: Record<Conflict['field'], string> = {
  title: 'the title',
  description: 'the description',
  severity: 'the severity',
  resolution: 'the resolution',
  ownerId: 'the owner',
}

const theirsOf = ({ field, theirs }: Conflict): string => {
  if (field === 'ownerId') return theirs.owner?.name ?? 'Nobody'
  return theirs[field] ?? ''
}

/** Both versions of what two people changed at once. Nothing is kept or lost before somebody says so. */
export function ConflictDialog({ conflict, editing }: { conflict: Conflict; editing: CaseEditing }) {
  return (
    <Dialog title="Somebody else changed this case first" onClose={editing.keepTheirs} wide insist>
      <p className="text-sm text-quiet">Choose which version of {fieldWords[conflict.field]} to keep.</p>
      <div className="grid gap-4 sm:grid-cols-2">
        <Version heading="Now in the case" text={theirsOf(conflict)} />
        <Version
          heading="Yours, not saved"
          text={conflict.field === 'ownerId' ? 'Your choice' : (conflict.mine ?? '')}
        />
      </div>
      <DialogActions>
        <Button onPress={editing.keepTheirs}>Keep what is there</Button>
        <Button tone="primary" onPress={() => void editing.keepMine()}>
          Save mine over it
        </Button>
      </DialogActions>
    </Dialog>
  )
}

function Version({ heading, text }: { heading: string; text: string }) {
  return (
    <section>
      <h3 className="mb-1 text-sm">{heading}</h3>
      <p className="scroll-thin max-h-64 min-h-16 overflow-auto rounded-md bg-sunken p-3 text-sm break-words whitespace-pre-wrap">
        {text || <span className="text-faint">Empty</span>}
      </p>
    </section>
  )
}
