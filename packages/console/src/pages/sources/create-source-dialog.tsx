import type { AdapterType, Tlp } from '@redoubt/contract'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useApi } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import { ErrorNote } from '../../components/feedback.tsx'
import { fieldErrorOf, SelectField, TextField } from '../../components/fields.tsx'
import { adapterWords, keysOf, tlps, tlpWords } from '../../components/words.ts'
import { CredentialsView } from './credentials-view.tsx'
import { VendorSteps } from './sending-dialog.tsx'

const slugOf = (name: string) =>
  name
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 48)

/** Adds a source and shows its credentials once. */
export function CreateSourceDialog({ onClose, onCreated }: { onClose: () => void; onCreated: () => Promise<void> }) {
  const { trpc, queries } = useApi()
  const [type, setType] = useState<AdapterType>('suricata')
  const [name, setName] = useState('')
  const [slug, setSlug] = useState<string | null>(null)
  const [tlp, setTlp] = useState<Exclude<Tlp, 'RED'>>('AMBER')
  const adapters = useQuery(trpc.sources.adapters.queryOptions({}, { staleTime: Number.POSITIVE_INFINITY }), queries)
  const create = useMutation(trpc.sources.create.mutationOptions({ onSuccess: onCreated }), queries)
  if (create.data) {
    return (
      <Dialog title={`${create.data.source.name} is ready`} onClose={onClose} wide insist>
        <CredentialsView credentials={create.data.credentials} source={create.data.source} />
        <VendorSteps type={create.data.source.type} />
        <DialogActions>
          <Button tone="primary" onPress={onClose}>
            I have copied them
          </Button>
        </DialogActions>
      </Dialog>
    )
  }
  const chosenSlug = slug ?? slugOf(name)
  return (
    <Dialog title="Add a source" onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          create.mutate({ type, name, slug: chosenSlug, tlp })
        }}
      >
        <SelectField
          label="What sends the alerts"
          value={type}
          options={keysOf(adapterWords).map((each) => ({
            value: each,
            label: adapters.data?.items.find((known) => known.type === each)?.label ?? adapterWords[each],
          }))}
          onChange={setType}
        />
        <TextField
          label="Name"
          value={name}
          onChange={setName}
          autoFocus
          isRequired
          error={fieldErrorOf(create.error, 'name')}
        />
        <TextField
          label="Short name"
          value={chosenSlug}
          onChange={setSlug}
          isRequired
          mono
          hint="What the command line calls it: small letters, digits and hyphens."
          error={fieldErrorOf(create.error, 'slug')}
        />
        <SelectField
          label="TLP of its alerts"
          value={tlp}
          options={tlps.flatMap((each) => (each === 'RED' ? [] : [{ value: each, label: `TLP:${each}` }]))}
          onChange={setTlp}
          hint={tlpWords[tlp]}
        />
        <ErrorNote error={create.error} marked={['name', 'slug']} />
        <DialogActions>
          <Button onPress={onClose}>Cancel</Button>
          <Button type="submit" tone="primary" busy={create.isPending}>
            Add source
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}
