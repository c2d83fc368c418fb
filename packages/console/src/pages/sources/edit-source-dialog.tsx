import type { Severity, Source } from '@redoubt/contract'
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { useApi } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import { ErrorNote } from '../../components/feedback.tsx'
import { fieldErrorOf, TextField } from '../../components/fields.tsx'
import { severities } from '../../components/words.ts'

type Mapping = NonNullable<Source['mapping']>
const paths = [
  ['title', 'Title'],
  ['description', 'Description'],
  ['time', 'Time'],
  ['ref', 'Reference'],
] as const

/** Name, and for sources of any JSON where their fields stand. */
export function EditSourceDialog({
  source,
  onClose,
  onSaved,
}: {
  source: Source
  onClose: () => void
  onSaved: () => Promise<void>
}) {
  const { trpc, queries } = useApi()
  const [name, setName] = useState(source.name)
  const [mapping, setMapping] = useState<Mapping>(source.mapping ?? {})
  const update = useMutation(
    trpc.sources.update.mutationOptions({
      onSuccess: () => {
        onClose()
        return onSaved()
      },
    }),
    queries,
  )
  const isGeneric = source.type === 'generic'
  const setPath = (key: (typeof paths)[number][0], value: string) => {
    const { [key]: _, ...rest } = mapping
    setMapping(value.trim() === '' ? rest : { ...rest, [key]: value })
  }
  const setSeverity = (path: string, map: Record<string, Severity> | undefined) => {
    const { severity: _, ...rest } = mapping
    setMapping(path.trim() === '' ? rest : { ...rest, severity: { path, ...(map ? { map } : {}) } })
  }
  return (
    <Dialog title={`Change ${source.name}`} onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          update.mutate({
            id: source.id,
            name,
            ...(isGeneric ? { mapping: Object.keys(mapping).length === 0 ? null : mapping } : {}),
          })
        }}
      >
        <TextField label="Name" value={name} onChange={setName} isRequired error={fieldErrorOf(update.error, 'name')} />
        {isGeneric && (
          <fieldset className="flex flex-col gap-3">
            <legend className="mb-1 text-sm font-medium">Where its fields stand</legend>
            <p className="text-xs text-faint">
              Paths such as <code className="font-mono">event.items[0].name</code>. What is left empty is found by best
              effort.
            </p>
            {paths.map(([key, label]) => (
              <TextField
                key={key}
                label={label}
                mono
                value={mapping[key] ?? ''}
                onChange={(value) => setPath(key, value)}
                error={fieldErrorOf(update.error, `mapping.${key}`)}
              />
            ))}
            <TextField
              label="Severity"
              mono
              value={mapping.severity?.path ?? ''}
              onChange={(path) => setSeverity(path, mapping.severity?.map)}
              error={fieldErrorOf(update.error, 'mapping.severity.path')}
            />
            {mapping.severity && (
              <TextField
                label="Severity values (optional)"
                mono
                value={Object.entries(mapping.severity.map ?? {})
                  .map(([from, to]) => `${from}=${to}`)
                  .join(' ')}
                onChange={(text) => setSeverity(mapping.severity?.path ?? '', severityMapOf(text))}
                hint="Such as P1=critical P2=high"
              />
            )}
          </fieldset>
        )}
        <ErrorNote error={update.error} />
        <DialogActions>
          <Button onPress={onClose}>Cancel</Button>
          <Button type="submit" tone="primary" busy={update.isPending}>
            Save
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}

function severityMapOf(text: string): Record<string, Severity> | undefined {
  const pairs = text.split(/\s+/).flatMap((pair) => {
    const [from, to] = pair.split('=')
    const severity = severities.find((each) => each === to)
    return from && severity ? [[from, severity] as const] : []
  })
  return pairs.length > 0 ? Object.fromEntries(pairs) : undefined
}
