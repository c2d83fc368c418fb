import { useMutation } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { Form } from 'react-aria-components'
import { forgetEverything, personApi } from '../../api/client.ts'
import { Button } from '../../components/button.tsx'
import { ErrorNote } from '../../components/feedback.tsx'
import { fieldErrorOf, TextField } from '../../components/fields.tsx'
import { WelcomeCard } from './welcome-card.tsx'

const route = getRouteApi('/setup')

/** The first organization and its first operator, from the one-time link that `npm start` prints. */
export function SetUpPage() {
  const { token } = route.useSearch()
  const navigate = useNavigate()
  const [organization, setOrganization] = useState('')
  const [name, setName] = useState('')
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const setUp = useMutation(
    personApi.trpc.auth.setUp.mutationOptions({
      onSuccess: async ({ slug }) => {
        forgetEverything()
        await navigate({ to: '/o/$slug', params: { slug }, replace: true })
      },
    }),
    personApi.queries,
  )
  if (!token) {
    return (
      <WelcomeCard title="This link is not complete">
        <p className="text-sm text-quiet">
          The set-up link ends with a token. Copy the whole line that the platform printed when it started, or restart
          it for a new link.
        </p>
      </WelcomeCard>
    )
  }
  return (
    <WelcomeCard title="Set up Redoubt" intro="Name your organization. You become its first admin.">
      <Form
        validationBehavior="aria"
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          setUp.mutate({ token, organization, name, email, password })
        }}
      >
        <TextField
          label="Organization"
          name="organization"
          autoComplete="organization"
          autoFocus
          isRequired
          value={organization}
          onChange={setOrganization}
          error={fieldErrorOf(setUp.error, 'organization')}
        />
        <TextField
          label="Your name"
          name="name"
          autoComplete="name"
          isRequired
          value={name}
          onChange={setName}
          error={fieldErrorOf(setUp.error, 'name')}
        />
        <TextField
          label="E-mail address"
          type="email"
          name="email"
          autoComplete="username"
          isRequired
          value={email}
          onChange={setEmail}
          error={fieldErrorOf(setUp.error, 'email')}
        />
        <TextField
          label="Password"
          type="password"
          name="password"
          autoComplete="new-password"
          isRequired
          value={password}
          onChange={setPassword}
          hint="At least 12 characters. A few unrelated words are easy to keep and hard to guess."
          error={fieldErrorOf(setUp.error, 'password')}
        />
        <ErrorNote error={setUp.error} marked={['organization', 'name', 'email', 'password']} />
        <Button type="submit" tone="primary" size="large" busy={setUp.isPending}>
          Create and sign in
        </Button>
      </Form>
    </WelcomeCard>
  )
}
