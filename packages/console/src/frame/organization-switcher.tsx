import { useNavigate } from '@tanstack/react-router'
import { Button as AriaButton } from 'react-aria-components'
import { useMe, useWorkplace } from '../api/session.tsx'
import { Icon } from '../components/icon.tsx'
import { Menu, MenuItem } from '../components/menu.tsx'
import { roleWords } from '../components/words.ts'

/** The organization one works in. Its name is in sight on every page, so that nobody acts in the wrong tenant. */
export function OrganizationSwitcher() {
  const me = useMe()
  const { membership } = useWorkplace()
  const navigate = useNavigate()
  return (
    <Menu
      label="Organizations"
      trigger={
        <AriaButton className="flex h-8 min-w-0 items-center gap-2 rounded-md px-2 text-sm font-semibold hover:bg-hover">
          <Initial name={membership.organization.name} />
          <span className="truncate">{membership.organization.name}</span>
          <Icon name="down" className="scale-75 text-faint" />
          <span className="sr-only">Switch organization</span>
        </AriaButton>
      }
    >
      {me.memberships.map(({ organization, role }) => (
        <MenuItem
          key={organization.id}
          id={organization.id}
          text={organization.name}
          note={organization.id === membership.organization.id ? 'Here' : roleWords[role].name}
          onAction={() => void navigate({ to: '/o/$slug', params: { slug: organization.slug } })}
        >
          <span className="flex items-center gap-2">
            <Initial name={organization.name} />
            <span className="truncate">{organization.name}</span>
          </span>
        </MenuItem>
      ))}
    </Menu>
  )
}

function Initial({ name }: { name: string }) {
  return (
    <span
      aria-hidden="true"
      className="flex size-5 shrink-0 items-center justify-center rounded-sm bg-accent text-2xs font-semibold text-on-accent"
    >
      {name.slice(0, 1).toUpperCase()}
    </span>
  )
}
