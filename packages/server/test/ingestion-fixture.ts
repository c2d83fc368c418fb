import type { AdapterType, IngestReceipt, Problem, SourceMapping } from '@redoubt/contract'
import type { Limits } from '../src/platform/config.ts'
import { startIngestion } from '../src/services/ingestion.ts'
import { startTestPlatform, type TestOrganization, type TestPerson } from './harness.ts'

export type TestSource = {
  readonly token: string
  readonly webhookSecret: string
  readonly id: string
  readonly slug: string
  readonly organization: TestOrganization
  readonly admin: TestPerson
}
export type Answer = {
  readonly status: number
  readonly headers: Headers
  readonly receipt: IngestReceipt
  readonly problem: Problem
}
type PostOptions = { readonly headers?: Record<string, string>; readonly as?: string; readonly token?: string | null }
export type StoredAlert = {
  readonly id: string
  readonly title: string
  readonly count: number
  readonly severity: number
  readonly source_ref: string | null
  readonly raw: string
  readonly latest_raw: string | null
  readonly due_at: Date | null
  readonly first_seen_at: Date
  readonly last_seen_at: Date
}

/** The test platform with its ingestion service on a free port. */
export async function startIngestionFixture(options: { limits?: Limits } = {}) {
  const platform = await startTestPlatform(options)
  const service = await startIngestion(platform.parts.redoubt_ingestion.kernel, platform.databases.redoubt_ingestion)
  platform.onStop(service.stop)
  let sources = 0

  return {
    platform,
    service,

    /** A source of an organization of its own, unless one is given. */
    async source(type: AdapterType = 'generic', owner?: TestSource, mapping?: SourceMapping): Promise<TestSource> {
      const organization = owner?.organization ?? (await platform.organization())
      const admin = owner?.admin ?? (await platform.member(organization, 'admin'))
      const slug = `source-${++sources}`
      const { source, credentials } = await platform.call(admin, 'sources.create', {
        name: slug,
        slug,
        type,
        ...(mapping ? { mapping } : {}),
      })
      return { ...credentials, id: source.id, slug, organization, admin }
    },

    /** Sends a body with the source's token, or with `headers` alone when `token` is null. */
    async post(
      source: TestSource,
      body: string | Uint8Array,
      { headers = {}, as, token = source.token }: PostOptions = {},
    ): Promise<Answer> {
      const response = await fetch(`${service.url}/ingest/${as ?? source.id}`, {
        method: 'POST',
        headers: {
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          'content-type': 'application/json',
          ...headers,
        },
        body: typeof body === 'string' ? body : new Uint8Array(body),
      })
      const answer = await response.json()
      return {
        status: response.status,
        headers: response.headers,
        receipt: answer as IngestReceipt,
        problem: answer as Problem,
      }
    },

    /** What lies in the database, behind row security. */
    async alerts(source: TestSource): Promise<StoredAlert[]> {
      const { rows } = await platform.admin.query<StoredAlert>(
        'select * from alerts where source_id = $1 order by title, id',
        [source.id],
      )
      return rows
    },
  }
}

/** An event of a generic source with an id of its own. */
export const event = (id: string, more: object = {}): string =>
  JSON.stringify({ alert_id: id, title: `Alert ${id}`, ...more })
