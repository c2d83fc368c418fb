import { useMutation } from '@tanstack/react-query'
import { getRouteApi, useRouter } from '@tanstack/react-router'
import { useState } from 'react'
import { Form } from 'react-aria-components'
import { forgetEverything, personApi } from '../../api/client.ts'
import { Button } from '../../components/button.tsx'
import { ErrorNote } from '../../components/feedback.tsx'
import { fieldErrorOf, TextField } from '../../components/fields.tsx'
import { WelcomeCard } from './welcome-card.tsx'

const route = getRouteApi('/sign-in')

/** Sign-in with e-mail address and password. */
export function SignInPage() {
  const { to } = route.useSearch()
  const router = useRouter()
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const signIn = useMutation(
    personApi.trpc.auth.signIn.mutationOptions({
      onSuccess: async () => {
        forgetEverything()
        await router.navigate({ href: to ?? '/', replace: true })
      },
      onError: () => setPassword(''),
    }),
    personApi.queries,
  )
  return (
    <WelcomeCard title="Sign in">
      <Form
        validationBehavior="aria"
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          signIn.mutate({ email, password })
        }}
      >
        <TextField
          label="E-mail address"
          type="email"
          name="email"
          autoComplete="username"
          autoFocus
          isRequired
          value={email}
          onChange={setEmail}
          error={fieldErrorOf(signIn.error, 'email')}
        />
        <TextField
          label="Password"
          type="password"
          name="password"
          autoComplete="current-password"
          isRequired
          value={password}
          onChange={setPassword}
        />
        <ErrorNote error={signIn.error} marked={['email']} />
        <Button type="submit" tone="primary" size="large" busy={signIn.isPending}>
          Sign in
        </Button>
      </Form>
      <p className="mt-4 text-xs text-faint">
        No account yet? Ask an admin to invite you. A new installation prints its set-up link when it starts.
      </p>
    </WelcomeCard>
  )
}
