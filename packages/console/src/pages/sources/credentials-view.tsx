import type { Source, SourceCredentials } from '@redoubt/contract'
import type { z } from 'zod'
import { CopyCommand, CopyField } from '../../components/copy-field.tsx'
import { Icon } from '../../components/icon.tsx'
import { curlOf } from './curl.ts'

/** Shown once: what a source needs to send alerts, with a first alert to try it. */
export function CredentialsView({
  credentials,
  source,
}: {
  credentials: z.output<typeof SourceCredentials>
  source: Source
}) {
  return (
    <div className="flex flex-col gap-4">
      <p className="flex items-start gap-2 rounded-md bg-accent-soft px-3 py-2 text-sm">
        <Icon name="key" className="mt-0.5 text-accent" />
        Copy the token and the secret now. They are shown this once; only a hash and a sealed form are kept.
      </p>
      <CopyField label="Address" value={source.url} hint="Where this source sends its alerts, with POST." />
      <CopyField label="Token" value={credentials.token} hint="Sent as Authorization: Bearer with every request." />
      <CopyField
        label="Webhook secret"
        value={credentials.webhookSecret}
        hint="Instead of the token, for products that sign their requests."
      />
      <CopyCommand
        label="Try it"
        value={curlOf(source.url, credentials.token)}
        hint="Paste it into a terminal: the alert appears in the inbox within a second or two."
      />
    </div>
  )
}
