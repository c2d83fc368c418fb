import { type Role, roles } from '@redoubt/contract'
import { Argument, type Command } from 'commander'
import { run, teach } from './command.ts'
import { pickMember } from './pick.ts'
import { card, moment, sentences, table } from './table.ts'

const userArgument = () => new Argument('<user>', 'e-mail address or id of a member')
const roleArgument = () => new Argument('<role>', 'what they may do').choices(roles)

/** `redoubt user`: the members of the organization and their sessions. */
export function addUserCommands(program: Command): void {
  const user = program
    .command('user')
    .summary('members, roles and sessions')
    .description('Manages who belongs to the organization, with which role, and where they are signed in.')

  teach(user.command('list'), {
    summary: 'list the members',
    description: 'Lists the members of the organization by name.',
    examples: ['redoubt user list'],
  }).action(
    run(async ({ connect }) => {
      const { items } = await connect().client.members.list()
      return {
        json: { items },
        text: table(
          items,
          [
            { head: 'NAME', value: ({ name }) => name },
            { head: 'E-MAIL', value: ({ email }) => email, whole: true },
            { head: 'ROLE', value: ({ role }) => role, whole: true },
            { head: 'SINCE', value: ({ since }) => moment(since) },
            { head: 'ID', value: ({ userId }) => userId, whole: true },
          ],
          'Nobody belongs to this organization.',
        ),
      }
    }),
  )

  teach(user.command('invite'), {
    summary: 'invite a person',
    description:
      'Invites a person by e-mail address with a role. The link is printed once, works once, and is valid for 7 days: whoever opens it joins, so hand it over on a way you trust.',
    examples: ['redoubt user invite grace@example.com moderator'],
  })
    .argument('<email>', 'e-mail address of the person')
    .addArgument(roleArgument())
    .action(
      run(async ({ connect }, email: string, role: Role) => {
        const invited = await connect().client.members.invite({ email, role })
        return {
          json: invited,
          text: card([
            ['invited', `${invited.invitation.email} as ${invited.invitation.role}`],
            ['link', invited.link],
            ['until', moment(invited.invitation.expiresAt)],
          ]),
        }
      }),
    )

  teach(user.command('invitations'), {
    summary: 'list the open invitations',
    description: 'Lists the invitations that nobody has accepted yet, newest first.',
    examples: ['redoubt user invitations'],
  }).action(
    run(async ({ connect }) => {
      const { items } = await connect().client.members.invitations()
      return {
        json: { items },
        text: table(
          items,
          [
            { head: 'E-MAIL', value: ({ email }) => email, whole: true },
            { head: 'ROLE', value: ({ role }) => role, whole: true },
            { head: 'BY', value: ({ invitedBy }) => invitedBy },
            { head: 'UNTIL', value: ({ expiresAt }) => moment(expiresAt) },
            { head: 'ID', value: ({ id }) => id, whole: true },
          ],
          'No invitation is open.',
        ),
      }
    }),
  )

  teach(user.command('withdraw'), {
    summary: 'withdraw an open invitation',
    description: 'Makes the link of an open invitation useless at once.',
    examples: ['redoubt user withdraw 0199c1c2-7a10-7c54-b1a5-3c1f8f0a2d11'],
  })
    .argument('<id>', 'id of the invitation, as `user invitations` lists it')
    .action(
      run(async ({ connect }, id: string) => {
        const withdrawn = await connect().client.members.revokeInvitation({ id })
        return { json: withdrawn, text: sentences('The invitation is withdrawn.') }
      }),
    )

  teach(user.command('role'), {
    summary: 'change the role of a member',
    description:
      'Changes what a member may do; it holds within a second, also for open sessions. The last admin stays admin.',
    examples: ['redoubt user role grace@example.com admin'],
  })
    .addArgument(userArgument())
    .addArgument(roleArgument())
    .action(
      run(async ({ connect }, name: string, role: Role) => {
        const { client } = connect()
        const { userId } = await pickMember(client, name)
        const member = await client.members.changeRole({ userId, role })
        return { json: member, text: sentences(`${member.name} is now ${member.role}.`) }
      }),
    )

  teach(user.command('remove'), {
    summary: 'remove a member',
    description:
      'Takes a member out of the organization; what they did stays in the audit log. The last admin cannot be removed.',
    examples: ['redoubt user remove grace@example.com'],
  })
    .addArgument(userArgument())
    .action(
      run(async ({ connect }, name: string) => {
        const { client } = connect()
        const member = await pickMember(client, name)
        const { userId } = member
        return {
          json: { ...(await client.members.remove({ userId })), userId },
          text: sentences(`${member.name} does not belong to the organization any more.`),
        }
      }),
    )

  teach(user.command('sessions'), {
    summary: 'list the sessions of a member',
    description: 'Lists where a member is signed in: browsers, and programs with tokens such as this one.',
    examples: ['redoubt user sessions grace@example.com'],
  })
    .addArgument(userArgument())
    .action(
      run(async ({ connect }, name: string) => {
        const { client } = connect()
        const { userId, name: person } = await pickMember(client, name)
        const { items } = await client.sessions.listOfMember({ userId })
        return {
          json: { items },
          text: table(
            items,
            [
              { head: 'KIND', value: ({ kind, current }) => (current ? `${kind} (this one)` : kind), whole: true },
              { head: 'LAST SEEN', value: ({ lastSeenAt }) => moment(lastSeenAt), whole: true },
              { head: 'SINCE', value: ({ createdAt }) => moment(createdAt) },
              { head: 'UNTIL', value: ({ expiresAt }) => moment(expiresAt) },
              { head: 'ADDRESS', value: ({ ip }) => ip ?? 'unknown', whole: true },
              { head: 'PROGRAM', value: ({ userAgent }) => userAgent },
            ],
            `${person} is not signed in anywhere.`,
          ),
        }
      }),
    )

  teach(user.command('end-sessions'), {
    summary: 'end every session of a member',
    description: 'Signs a member out everywhere, within a second. They can sign in again; remove them to prevent it.',
    examples: ['redoubt user end-sessions grace@example.com'],
  })
    .addArgument(userArgument())
    .action(
      run(async ({ connect }, name: string) => {
        const { client } = connect()
        const { userId, name: person } = await pickMember(client, name)
        const { ended } = await client.sessions.revokeOfMember({ userId })
        return {
          json: { ended, userId },
          text: sentences(`Ended ${ended} ${ended === 1 ? 'session' : 'sessions'} of ${person}.`),
        }
      }),
    )
}
