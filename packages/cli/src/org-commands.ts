import type { Command } from 'commander'
import { run, teach } from './command.ts'
import { card, moment, sentences, table } from './table.ts'

/** `redoubt org`: the organization one is signed in to, and the clients it provides for. */
export function addOrgCommands(program: Command): void {
  const org = program
    .command('org')
    .summary('the organization and its clients')
    .description('Shows the organization you are signed in to, and the organizations it provides for.')

  teach(org.command('show'), {
    summary: 'show the organization you act in',
    description: 'Shows the organization that this sign-in acts in, and your role there.',
    examples: ['redoubt org show'],
  }).action(
    run(async ({ connect }) => {
      const { client } = connect()
      const [organization, me] = await Promise.all([client.organizations.current(), client.auth.me()])
      const role = me.memberships.find((each) => each.organization.id === organization.id)?.role ?? null
      return {
        json: { ...organization, role },
        text: card([
          ['name', organization.name],
          ['slug', organization.slug],
          ['id', organization.id],
          ['provider', organization.providerId],
          ['since', moment(organization.createdAt)],
          ['you', `${me.user.name} <${me.user.email}>${role === null ? '' : `, ${role}`}`],
        ]),
      }
    }),
  )

  teach(org.command('clients'), {
    summary: 'list the organizations this one provides for',
    description: 'Lists the client organizations below the one you are signed in to.',
    examples: ['redoubt org clients'],
  }).action(
    run(async ({ connect }) => {
      const { items } = await connect().client.organizations.clients()
      return {
        json: { items },
        text: table(
          items,
          [
            { head: 'SLUG', value: ({ slug }) => slug, whole: true },
            { head: 'NAME', value: ({ name }) => name },
            { head: 'SINCE', value: ({ createdAt }) => moment(createdAt) },
            { head: 'ID', value: ({ id }) => id, whole: true },
          ],
          'No client organizations yet: redoubt org create-client NAME SLUG makes one.',
        ),
      }
    }),
  )

  teach(org.command('create-client'), {
    summary: 'create an organization below this one',
    description:
      'Creates a client organization that this one provides for. You become its first admin; sign in to it with redoubt login --organization SLUG.',
    examples: ['redoubt org create-client "Fabrikam Finance" fabrikam'],
  })
    .argument('<name>', 'what people call it')
    .argument('<slug>', 'short name for addresses: lower-case letters, digits and single hyphens')
    .action(
      run(async ({ connect }, name: string, slug: string) => {
        const made = await connect().client.organizations.createClient({ name, slug })
        return {
          json: made,
          text: sentences(
            `${made.name} (${made.slug}) exists, and you are its admin.`,
            `Act in it with: redoubt login --organization ${made.slug}`,
          ),
        }
      }),
    )
}
