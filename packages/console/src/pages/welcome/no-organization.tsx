import { Link } from '@tanstack/react-router'
import { buttonLook } from '../../components/button.tsx'
import { WelcomeCard } from './welcome-card.tsx'

/** For a person who belongs to no organization any more. */
export function NoOrganizationPage() {
  return (
    <WelcomeCard title="You belong to no organization">
      <p className="text-sm text-quiet">Ask an admin of the organization you work for to invite you.</p>
      <Link to="/sign-in" className={`${buttonLook('plain')} mt-4`}>
        Sign in as someone else
      </Link>
    </WelcomeCard>
  )
}

/** Says the same whether the organization exists or not. */
export function NoAccess({ slug }: { slug: string }) {
  return (
    <WelcomeCard title="No access here">
      <p className="text-sm text-quiet">
        There is no organization “{slug}” that you belong to. The address may be mistyped, or your membership ended.
      </p>
      <Link to="/" className={`${buttonLook('plain')} mt-4`}>
        Go to your organization
      </Link>
    </WelcomeCard>
  )
}
