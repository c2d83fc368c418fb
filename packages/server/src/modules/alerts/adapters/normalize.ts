import { alertmanager } from './alertmanager.ts'
import { cortexXdr } from './cortex-xdr.ts'
import { crowdstrike } from './crowdstrike.ts'
import { ecs } from './ecs.ts'
import { normalizeGeneric } from './generic.ts'
import { guardduty } from './guardduty.ts'
import type { Mappings } from './mappings.ts'
import { microsoft365Defender } from './microsoft-365-defender.ts'
import type { AdapterType, NormalizedAlert } from './normalized-alert.ts'
import { ocsf } from './ocsf.ts'
import { okta } from './okta.ts'
import { sentinelone } from './sentinelone.ts'
import { suricata } from './suricata.ts'
import type { Adapter } from './table.ts'
import { wazuh } from './wazuh.ts'
import { wiz } from './wiz.ts'

const ADAPTERS: Readonly<Record<Exclude<AdapterType, 'generic'>, Adapter>> = {
  suricata,
  crowdstrike,
  guardduty,
  wazuh,
  'microsoft-365-defender': microsoft365Defender,
  sentinelone,
  okta,
  'cortex-xdr': cortexXdr,
  wiz,
  alertmanager,
  ocsf,
  ecs,
}

export type NormalizeOptions = {
  /** Declared mappings of a generic source; checked, see `mappingsSchema`. */
  mappings?: Mappings
  /** When the payload arrived: the time of an alert that names none, and the year of syslog times. */
  receivedAt: Date
}

/**
 * The alerts in one payload, at least one. `payload` comes from `parsePayload`, so that long integers are exact.
 * A payload that is not in its source's form is read as generic and says so in `finding.unmapped`: a vendor that
 * changes its format costs detail, never an alert. Does not throw on JSON; throws `z.ZodError` on bad mappings.
 */
export function normalize(type: AdapterType, payload: unknown, options: NormalizeOptions): NormalizedAlert[] {
  const { receivedAt, mappings } = options
  if (type === 'generic') return normalizeGeneric(payload, { receivedAt }, mappings)
  const adapter = ADAPTERS[type]
  if (adapter.matches(payload)) return adapter.normalize(payload, { receivedAt })
  const unmapped = {
    declared_adapter: type,
    read_as: 'generic',
    reason: `the payload is not in the form of ${adapter.label}`,
  }
  return normalizeGeneric(payload, { receivedAt, unmapped }, mappings)
}

export type AdapterDescription = { type: AdapterType; label: string; vendor: string; setUp: string }

/** All adapters for the sources page, `generic` last. */
export function describeAdapters(): AdapterDescription[] {
  const known = Object.values(ADAPTERS).map(({ type, label, vendor, setUp }) => ({ type, label, vendor, setUp }))
  return [
    ...known,
    {
      type: 'generic',
      label: 'Any JSON or log line',
      vendor: 'Any',
      setUp:
        'Send any JSON, or a log line as a JSON string. Title, severity, time and id are found by best effort; where they are missed, Change says where they stand.',
    },
  ]
}
