import { homedir } from 'node:os'
import { join } from 'node:path'

/** What the client half of the command line takes from the environment. This file alone reads it for them. */
export type Environment = {
  /** Where sign-ins are kept: `${XDG_CONFIG_HOME:-~/.config}/redoubt/credentials.json`. */
  readonly credentialsFile: string
  /** Address of the api service to use instead of the one last signed in to. */
  readonly url: string | undefined
  /** A token of one's own, for scripts; then no sign-in is read or renewed. */
  readonly accessToken: string | undefined
  /** Slug of the organization to act in, when one is signed in to several. */
  readonly organization: string | undefined
  readonly noColor: boolean
}

/** Empty variables count as not set, as https://no-color.org and the XDG base directory specification have it. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>> = process.env): Environment {
  const value = (name: string) => env[name] || undefined
  const configHome = value('XDG_CONFIG_HOME')
  return {
    // The specification has relative paths ignored.
    credentialsFile: join(
      configHome?.startsWith('/') ? configHome : join(homedir(), '.config'),
      'redoubt',
      'credentials.json',
    ),
    url: value('REDOUBT_URL'),
    accessToken: value('REDOUBT_ACCESS_TOKEN'),
    organization: value('REDOUBT_ORGANIZATION'),
    noColor: value('NO_COLOR') !== undefined || value('TERM') === 'dumb',
  }
}

/** An account the drill signs in with; what is not set is asked for. */
export type DrillAccount = {
  readonly email: string | undefined
  readonly password: string | undefined
  /** Slug, for who belongs to several organizations. */
  readonly slug: string | undefined
}

/** The two accounts of `redoubt drill --against`: one of the organization that is attacked, one of the attacker's. */
export function readDrillAccounts(env: Readonly<Record<string, string | undefined>> = process.env): {
  readonly attacked: DrillAccount
  readonly attacker: DrillAccount
} {
  const account = (prefix: string): DrillAccount => ({
    email: env[`${prefix}_EMAIL`] || undefined,
    password: env[`${prefix}_PASSWORD`] || undefined,
    slug: env[`${prefix}_ORGANIZATION`] || undefined,
  })
  return { attacked: account('REDOUBT_DRILL'), attacker: account('REDOUBT_DRILL_OTHER') }
}
