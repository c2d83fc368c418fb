import type { SecretSummary } from '@redoubt/contract'
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { Form } from 'react-aria-components'
import { useApi } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import { ErrorNote } from '../../components/feedback.tsx'
import { fieldErrorOf, TextField } from '../../components/fields.tsx'
import { announce } from '../../components/toast.tsx'

/** A value goes in here and never comes out again, neither here nor anywhere else. */
export function SetSecretDialog({
  secret,
  path: given,
  onClose,
}: {
  /** What is there now, if it is. */
  secret: SecretSummary | undefined
  path: string
  onClose: () => void
}) {
  const { trpc, queries } = useApi()
  const [path, setPath] = useState(given)
  const [value, setValue] = useState('')
  const [hasLines, setHasLines] = useState(false)
  const replacing = secret !== undefined && secret.version > 0
  const set = useMutation(
    trpc.secrets.set.mutationOptions({
      // A finished mutation is remembered with its input; this one is forgotten with the dialog.
      gcTime: 0,
      onSuccess: ({ version }) => {
        announce(`secret://${path} is set, version ${version}`)
        onClose()
        return queries.invalidateQueries(trpc.secrets.pathFilter())
      },
    }),
    queries,
  )
  const field = {
    label: 'Value',
    value,
    onChange: setValue,
    isRequired: true,
    // Neither a password manager nor a spelling service is to learn it.
    autoComplete: 'off',
    spellCheck: 'false' as const,
    hint: 'It is sealed in the store and cannot be shown again.',
    error: fieldErrorOf(set.error, 'value'),
  }
  return (
    <Dialog title={replacing ? `Replace ${secret.path}` : 'Set a secret'} onClose={onClose} insist={value !== ''}>
      <Form
        validationBehavior="aria"
        className="flex flex-col gap-4"
        autoComplete="off"
        onSubmit={(event) => {
          event.preventDefault()
          set.mutate({ path, value, expectedVersion: secret?.version ?? 0 })
        }}
      >
        {secret === undefined ? (
          <TextField
            label="Path"
            value={path}
            onChange={setPath}
            mono
            autoFocus
            isRequired
            autoComplete="off"
            placeholder="smtp/password"
            hint={
              <>
                Lower-case words with slashes. The configuration names it as{' '}
                <code className="font-mono">secret://{path === '' ? 'smtp/password' : path}</code>.
              </>
            }
            error={fieldErrorOf(set.error, 'path')}
          />
        ) : (
          <p className="text-sm text-quiet">
            {replacing
              ? 'Whoever reads it from now on gets the new value. There is no way back to the old one.'
              : 'The configuration refers to it, and it is not there.'}
          </p>
        )}
        {hasLines ? (
          <TextField key="lines" {...field} rows={6} mono autoFocus />
        ) : (
          <TextField key="line" {...field} type="password" mono autoFocus={secret !== undefined} />
        )}
        <Button
          size="small"
          tone="ghost"
          className="self-start"
          onPress={() => {
            setHasLines(!hasLines)
            // A line that takes no breaks would drop them silently.
            if (hasLines) setValue('')
          }}
        >
          {hasLines ? 'One line, hidden' : 'Several lines, such as a key file'}
        </Button>
        <ErrorNote error={set.error} marked={['path', 'value']} />
        <DialogActions>
          <Button onPress={onClose}>Cancel</Button>
          <Button type="submit" tone="primary" busy={set.isPending}>
            {replacing ? 'Replace' : 'Set'}
          </Button>
        </DialogActions>
      </Form>
    </Dialog>
  )
}
