import type { Me, Permission } from '@redoubt/contract'
import { useQuery } from '@tanstack/react-query'
import { createContext, type ReactNode, useContext, useEffect, useState } from 'react'
import { type Api, apiOf, personApi } from './client.ts'
import { LiveContext, LiveStream, useTopic } from './live.ts'

export type Membership = Me['memberships'][number]

type Workplace = { readonly api: Api; readonly membership: Membership }
const WorkplaceContext = createContext<Workplace | null>(null)

/** Everything below works within this organization: its cache, its live stream, the person's permissions in it. */
export function OrganizationScope({ membership, children }: { membership: Membership; children: ReactNode }) {
  const id = membership.organization.id
  const [stream, setStream] = useState<LiveStream | null>(null)
  useEffect(() => {
    const next = new LiveStream(id)
    setStream(next)
    return next.open()
  }, [id])
  return (
    <WorkplaceContext value={{ api: apiOf(id), membership }}>
      <LiveContext value={stream}>
        <FollowTopics />
        {children}
      </LiveContext>
    </WorkplaceContext>
  )
}

/** Lists that people read are left alone here; they follow their topic by themselves, without moving rows. */
function FollowTopics() {
  const { trpc, queries } = useApi()
  const refresh = (...filters: { queryKey: readonly unknown[] }[]) => {
    for (const filter of filters) void queries.invalidateQueries(filter)
  }
  useTopic('alerts', () =>
    refresh(trpc.alerts.counts.queryFilter(), trpc.alerts.overTime.queryFilter(), trpc.alerts.get.queryFilter()),
  )
  useTopic('cases', () =>
    refresh(
      trpc.cases.get.queryFilter(),
      trpc.cases.timeline.pathFilter(),
      trpc.cases.tasks.queryFilter(),
      trpc.cases.observables.pathFilter(),
      trpc.cases.figures.queryFilter(),
    ),
  )
  useTopic('runs', () => refresh(trpc.runs.pathFilter()))
  useTopic('audit', () => refresh(trpc.audit.checkpoint.queryFilter()))
  useTopic('sources', () => refresh(trpc.sources.pathFilter()))
  useTopic('members', () => {
    refresh(trpc.members.pathFilter(), trpc.organizations.pathFilter())
    void personApi.queries.invalidateQueries(personApi.trpc.auth.me.queryFilter())
  })
  useTopic('keys', () => refresh(trpc.keys.pathFilter(), trpc.secrets.pathFilter(), trpc.services.pathFilter()))
  useTopic('sessions', () => {
    void personApi.queries.invalidateQueries(personApi.trpc.pathFilter())
  })
  return null
}

/** The organization's {@link Api}. Throws outside of an {@link OrganizationScope}. */
export function useApi(): Api {
  return useWorkplace().api
}

export function useWorkplace(): Workplace {
  const workplace = useContext(WorkplaceContext)
  if (!workplace) throw new Error('This page needs an organization around it.')
  return workplace
}

/** Whether the person may, as far as the console knows; the platform decides again on every call. */
export function useMay(): (permission: Permission) => boolean {
  const { membership } = useWorkplace()
  return (permission) => membership.permissions.includes(permission)
}

/** The signed-in person. Only below a route that has made sure of one. */
export function useMe(): Me {
  const me = useQuery(personApi.trpc.auth.me.queryOptions({}, { staleTime: 60_000 }), personApi.queries)
  if (!me.data) throw me.error ?? new Error('Nobody is signed in.')
  return me.data
}
