import type { Role } from '@redoubt/contract'
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { useApi } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { CopyField } from '../../components/copy-field.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import { ErrorNote } from '../../components/feedback.tsx'
import { fieldErrorOf, SelectField, TextField } from '../../components/fields.tsx'
import { roles, roleWords } from '../../components/words.ts'

/** Invites by e-mail address; the link is shown once, for the inviter to pass on. */
export function InviteDialog({ onClose, onInvited }: { onClose: () => void; onInvited: () => Promise<void> }) {
  const { trpc, queries } = useApi()
  const [email, setEmail] = useState('')
  const [role, setRole] = useState<Role>('user')
  const invite = useMutation(trpc.members.invite.mutationOptions({ onSuccess: onInvited }), queries)
  if (invite.data) {
    return (
      <Dialog title={`Invitation for ${invite.data.invitation.email}`} onClose={onClose} insist>
        <CopyField
          label="Invitation link"
          value={invite.data.link}
          hint="Shown once. It works one time, within seven days. Send it over a channel that only this person reads."
        />
        <DialogActions>
          <Button tone="primary" onPress={onClose}>
            Done
          </Button>
        </DialogActions>
      </Dialog>
    )
  }
  return (
    <Dialog title="Invite a person" onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          invite.mutate({ email, role })
        }}
      >
        <TextField
          label="E-mail address"
          type="email"
          autoFocus
          isRequired
          value={email}
          onChange={setEmail}
          error={fieldErrorOf(invite.error, 'email')}
        />
        <SelectField
          label="Role"
          value={role}
          options={roles.map((each) => ({ value: each, label: roleWords[each].name }))}
          onChange={setRole}
          hint={`${roleWords[role].does}.`}
        />
        <ErrorNote error={invite.error} marked={['email']} />
        <DialogActions>
          <Button onPress={onClose}>Cancel</Button>
          <Button type="submit" tone="primary" busy={invite.isPending}>
            Make the link
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}
