import type { SourceCredentials } from '@redoubt/contract'
import type { z } from 'zod'
import { CopyField } from '../../components/copy-field.tsx'
import { Icon } from '../../components/icon.tsx'

/** Shown once: what a source needs to send alerts. */
export function CredentialsView({
  credentials,
  path,
}: {
  credentials: z.output<typeof SourceCredentials>
  path: string
}) {
  return (
    <div className="flex flex-col gap-4">
      <p className="flex items-start gap-2 rounded-md bg-accent-soft px-3 py-2 text-sm">
        <Icon name="key" className="mt-0.5 text-accent" />
        Copy these now. They are shown this once; only a hash is kept here.
      </p>
      <CopyField label="Token" value={credentials.token} hint="Sent as Authorization: Bearer with every request." />
      <CopyField
        label="Webhook secret"
        value={credentials.webhookSecret}
        hint="For products that sign their requests instead of sending a token."
      />
      <CopyField
        label="Door"
        value={path}
        hint="On the ingestion service, port 4100 unless it is configured otherwise."
      />
    </div>
  )
}
