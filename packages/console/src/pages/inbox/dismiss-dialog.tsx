import { useState } from 'react'
import { Button } from '../../components/button.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import { TextField } from '../../components/fields.tsx'

const usual = ['False positive', 'Expected activity', 'Duplicate', 'Test']

/** Dismissing needs a reason, so that the next person knows why nobody acted. */
export function DismissDialog({
  count,
  onDismiss,
  onClose,
}: {
  count: number
  onDismiss: (reason: string) => void
  onClose: () => void
}) {
  const [reason, setReason] = useState('')
  return (
    <Dialog title={`Dismiss ${count === 1 ? 'this alert' : `${count} alerts`}`} onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          if (reason.trim() === '') return
          onDismiss(reason.trim())
          onClose()
        }}
      >
        <TextField label="Why no one needs to act" value={reason} onChange={setReason} autoFocus maxLength={300} />
        <div className="flex flex-wrap gap-2">
          {usual.map((each) => (
            <Button key={each} size="small" onPress={() => setReason(each)}>
              {each}
            </Button>
          ))}
        </div>
        <DialogActions>
          <Button onPress={onClose}>Cancel</Button>
          <Button type="submit" tone="primary" isDisabled={reason.trim() === ''}>
            {count === 1 ? 'Dismiss alert' : `Dismiss ${count} alerts`}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}
