import { type Client, createClient, RedoubtProblem } from '@redoubt/sdk'
import type { Command } from 'commander'
import { type Context, type Report, run, teach } from './command.ts'
import { CommandError, failureOf } from './command-error.ts'
import { apiUrl, choose, connect, defaultUrl, reachable } from './connection.ts'
import { CredentialStore, isAt, renewed } from './credentials.ts'
import { withProgress } from './progress.ts'
import { ask, readPassword } from './prompt.ts'
import { card, moment, sentences } from './table.ts'

/** `redoubt login` and `redoubt logout`. */
export function addLoginCommands(program: Command): void {
  teach(program.command('login'), {
    summary: 'sign in, and stay signed in on this machine',
    description:
      'Signs in to an installation and keeps the session, for up to seven days, in ~/.config/redoubt/credentials.json (or below XDG_CONFIG_HOME), which only you can read. The password is asked for without echo, or read from stdin; it is never an argument. You may be signed in to several organizations: the newest sign-in is used, or the one that REDOUBT_URL and REDOUBT_ORGANIZATION name. With REDOUBT_ACCESS_TOKEN set, that token is used instead of any sign-in.',
    examples: [
      'redoubt login --email ada@example.com',
      'redoubt login --url https://api.soc.example.com --organization fabrikam',
    ],
  })
    .option('--url <address>', `address of the api service (default: REDOUBT_URL or ${defaultUrl})`)
    .option('--email <address>', 'your e-mail address; asked for at a terminal')
    .option('--organization <slug>', 'which of your organizations (default: REDOUBT_ORGANIZATION)')
    .action(run(login, null))

  teach(program.command('logout'), {
    summary: 'end the session and forget its tokens',
    description:
      'Ends the session everywhere, within a second, and removes its tokens from this machine. When the platform cannot be reached the tokens are removed all the same, and the command says so.',
    examples: ['redoubt logout'],
  }).action(run(logout))
}

type LoginOptions = { readonly url?: string; readonly email?: string; readonly organization?: string }

async function login({ environment }: Context, options: LoginOptions): Promise<Report> {
  const url = apiUrl(options.url ?? environment.url ?? defaultUrl)
  const wanted = options.organization ?? environment.organization
  const email = options.email ?? (process.stdin.isTTY ? await ask('E-mail: ') : undefined)
  if (email === undefined) {
    throw new CommandError('Say who signs in: redoubt login --email ADDRESS, with the password on stdin.', {
      exitCode: 2,
    })
  }
  const password = await readPassword(`Password for ${email} at ${url}: `)
  return withProgress('Signing in', async () => {
    const plain = createClient({ url, fetch: reachable(url) })
    const tokens = await plain.auth.login({
      email,
      password,
      ...(wanted === undefined ? {} : { organization: wanted }),
    })
    const { user, membership, session } = await whoIs(
      createClient({ url, accessToken: tokens.accessToken, fetch: reachable(url) }),
      tokens.organizationId,
    )
    const organization = membership.organization.slug
    const store = new CredentialStore(environment.credentialsFile)
    await store.update(async (signIns) => {
      const signIn = renewed(
        { url, organization, organizationId: tokens.organizationId, email: user.email },
        tokens,
        new Date(),
      )
      return { signIns: [signIn, ...signIns.filter((each) => !isAt(each, { url, organization }))], result: undefined }
    })
    return {
      json: { url, user, organization: membership.organization, role: membership.role, expiresAt: session.expiresAt },
      text: card([
        ['signed in', `${user.name} <${user.email}>`],
        ['organization', `${membership.organization.name} (${organization})`],
        ['role', membership.role],
        ['at', url],
        ['until', moment(session.expiresAt)],
      ]),
    }
  })
}

/** The signed-in person and their membership in one organization. */
export async function whoIs(client: Client, organizationId: string) {
  const { user, session, memberships } = await client.auth.me()
  const membership = memberships.find(({ organization }) => organization.id === organizationId)
  if (!membership) throw new CommandError('You do not belong to this organization any more.')
  return { user, session, membership }
}

async function logout({ environment }: Context): Promise<Report> {
  if (environment.accessToken !== undefined) {
    throw new CommandError('REDOUBT_ACCESS_TOKEN is set, and its session is not this machine’s to end: unset it first.')
  }
  const store = new CredentialStore(environment.credentialsFile)
  const { url, organization, refreshExpiresAt } = choose(store.read(), environment)
  let untold: string | undefined
  try {
    await connect({ ...environment, url, organization }).client.auth.logout()
  } catch (error) {
    const over = error instanceof RedoubtProblem && error.code === 'unauthenticated'
    if (!over) untold = failureOf(error).sentence
  }
  await store.update(async (signIns) => ({
    signIns: signIns.filter((each) => !isAt(each, { url, organization })),
    result: undefined,
  }))
  if (untold !== undefined) {
    throw new CommandError(
      `The tokens are removed from this machine, but the session could not be ended: ${untold} It ends by itself by ${moment(refreshExpiresAt)}; the console can end it earlier.`,
    )
  }
  return { json: { url, organization, done: true }, text: sentences(`Signed out of ${organization} at ${url}.`) }
}
