import { useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { Form } from 'react-aria-components'
import { forgetEverything, personApi } from '../../api/client.ts'
import { failureOf } from '../../api/failure.ts'
import { Button } from '../../components/button.tsx'
import { ErrorNote, RequestId } from '../../components/feedback.tsx'
import { fieldErrorOf, TextField } from '../../components/fields.tsx'
import { roleWords } from '../../components/words.ts'
import { WelcomeCard } from './welcome-card.tsx'

const route = getRouteApi('/invitation')

/** Joining an organization: a new person chooses a name and a password, a known one confirms with theirs. */
export function InvitationPage() {
  const { token } = route.useSearch()
  const offer = useQuery(
    personApi.trpc.auth.invitation.queryOptions({ token: token ?? '' }, { enabled: token !== undefined }),
    personApi.queries,
  )
  const navigate = useNavigate()
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const accept = useMutation(
    personApi.trpc.auth.acceptInvitation.mutationOptions({
      onSuccess: async ({ slug }) => {
        forgetEverything()
        await navigate({ to: '/o/$slug', params: { slug }, replace: true })
      },
    }),
    personApi.queries,
  )
  if (!token || offer.isError) {
    const failure = offer.isError ? failureOf(offer.error) : null
    return (
      <WelcomeCard title={failure?.title ?? 'This link is not complete'}>
        <p className="text-sm text-quiet">
          {failure?.detail ?? 'An invitation link ends with a token.'} Links work once and for seven days; ask whoever
          invited you for a new one.
        </p>
        {failure?.requestId && <RequestId id={failure.requestId} />}
      </WelcomeCard>
    )
  }
  if (!offer.data) {
    return (
      <WelcomeCard title="One moment">
        <div className="skeleton h-24" />
      </WelcomeCard>
    )
  }
  const { organization, email, role, known } = offer.data
  return (
    <WelcomeCard
      title={`Join ${organization}`}
      intro={
        <>
          As <strong className="font-semibold text-ink">{roleWords[role].name.toLowerCase()}</strong>, with {email}.
        </>
      }
    >
      <Form
        validationBehavior="aria"
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          accept.mutate({ token, password, ...(known ? {} : { name }) })
        }}
      >
        <input type="hidden" name="username" autoComplete="username" value={email} readOnly />
        {!known && (
          <TextField
            label="Your name"
            name="name"
            autoComplete="name"
            autoFocus
            isRequired
            value={name}
            onChange={setName}
            error={fieldErrorOf(accept.error, 'name')}
          />
        )}
        <TextField
          label={known ? 'Your password' : 'Choose a password'}
          type="password"
          name="password"
          autoComplete={known ? 'current-password' : 'new-password'}
          isRequired
          value={password}
          onChange={setPassword}
          hint={
            known ? 'You already have an account here.' : 'At least 12 characters. A few unrelated words work well.'
          }
          error={fieldErrorOf(accept.error, 'password')}
        />
        <ErrorNote error={accept.error} marked={['name', 'password']} />
        <Button type="submit" tone="primary" size="large" busy={accept.isPending}>
          Join
        </Button>
      </Form>
    </WelcomeCard>
  )
}
