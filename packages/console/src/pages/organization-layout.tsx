import { getRouteApi } from '@tanstack/react-router'
import { OrganizationScope } from '../api/session.tsx'
import { Frame } from '../frame/frame.tsx'
import { NoAccess } from './welcome/no-organization.tsx'

const route = getRouteApi('/o/$slug')

/** The frame of one organization; it starts anew when the organization changes, so that nothing of the last one stays. */
export function OrganizationLayout() {
  const { membership } = route.useRouteContext()
  const { slug } = route.useParams()
  if (!membership) return <NoAccess slug={slug} />
  return (
    <OrganizationScope key={membership.organization.id} membership={membership}>
      <Frame />
    </OrganizationScope>
  )
}
