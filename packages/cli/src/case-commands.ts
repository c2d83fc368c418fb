import { alertStates, phases, severities } from '@redoubt/contract'
import type { Command } from 'commander'
import { run, teach } from './command.ts'
import { choiceOption, limitOption } from './option-values.ts'
import { firstItems, pickCase } from './pick.ts'
import { card, moment, stacked, table } from './table.ts'

type Severity = (typeof severities)[number]
type AlertOptions = { state?: (typeof alertStates)[number]; severity?: Severity; search?: string; limit: number }
type CaseOptions = { phase?: (typeof phases)[number]; severity?: Severity; open?: true; search?: string; limit: number }

/** `redoubt alert` and `redoubt case`: what came in, and what is done about it. */
export function addCaseCommands(program: Command): void {
  const alert = program.command('alert').summary('what the sources reported').description('Looks at alerts.')

  teach(alert.command('list'), {
    summary: 'list alerts',
    description: 'Lists alerts, last seen first.',
    examples: ['redoubt alert list --state new --severity critical'],
  })
    .addOption(choiceOption('--state <state>', 'only those in this state', alertStates))
    .addOption(choiceOption('--severity <severity>', 'only those of this severity', severities))
    .option('--search <words>', 'only those whose title contains these words')
    .addOption(limitOption())
    .action(
      run(async ({ connect }, { state, severity, search, limit }: AlertOptions) => {
        const { client } = connect()
        const filter = {
          ...(state === undefined ? {} : { state: [state] }),
          ...(severity === undefined ? {} : { severity: [severity] }),
          ...(search === undefined ? {} : { search }),
        }
        const items = await firstItems(
          client.items(client.alerts.list, { ...filter, limit: Math.min(limit, 200) }),
          limit,
        )
        return {
          json: { items },
          text: table(
            items,
            [
              { head: 'LAST SEEN', value: ({ lastSeenAt }) => moment(lastSeenAt), whole: true },
              { head: 'SEVERITY', value: (each) => each.severity, whole: true },
              { head: 'STATE', value: (each) => each.state, whole: true },
              { head: 'COUNT', value: ({ count }) => count, align: 'right' },
              { head: 'SOURCE', value: ({ source }) => source.name },
              { head: 'TITLE', value: ({ title }) => title },
            ],
            'No alerts.',
          ),
        }
      }),
    )

  const cases = program.command('case').summary('what is done about it').description('Looks at cases.')

  teach(cases.command('list'), {
    summary: 'list the cases that you may see',
    description: 'Lists cases, newest first: those that your role, their audience and their TLP let you see.',
    examples: ['redoubt case list --open --severity critical'],
  })
    .addOption(choiceOption('--phase <phase>', 'only those in this phase', phases))
    .addOption(choiceOption('--severity <severity>', 'only those of this severity', severities))
    .option('--open', 'only those that are not closed')
    .option('--search <words>', 'only those whose title contains these words')
    .addOption(limitOption())
    .action(
      run(async ({ connect }, { phase, severity, open, search, limit }: CaseOptions) => {
        const { client } = connect()
        const filter = {
          ...(phase === undefined ? {} : { phase: [phase] }),
          ...(severity === undefined ? {} : { severity: [severity] }),
          ...(open === undefined ? {} : { open }),
          ...(search === undefined ? {} : { search }),
        }
        const items = await firstItems(
          client.items(client.cases.list, { ...filter, limit: Math.min(limit, 200) }),
          limit,
        )
        return {
          json: { items },
          text: table(
            items,
            [
              { head: 'CASE', value: ({ number }) => number, align: 'right', whole: true },
              { head: 'SEVERITY', value: (each) => each.severity, whole: true },
              { head: 'TLP', value: ({ tlp }) => tlp, whole: true },
              { head: 'PHASE', value: (each) => each.phase, whole: true },
              { head: 'OWNER', value: ({ owner }) => owner?.name ?? null },
              { head: 'ALERTS', value: ({ alertCount }) => alertCount, align: 'right' },
              { head: 'TITLE', value: ({ title }) => title },
            ],
            'No cases.',
          ),
        }
      }),
    )

  teach(cases.command('show'), {
    summary: 'show one case with its tasks and timeline',
    description: 'Shows a case, its tasks, and the newest entries of its timeline.',
    examples: ['redoubt case show 12'],
  })
    .argument('<case>', 'number or id of a case')
    .action(
      run(async ({ connect }, name: string) => {
        const { client } = connect()
        const id = await pickCase(client, name)
        const [found, tasks, timeline] = await Promise.all([
          client.cases.get({ id }),
          client.cases.tasks({ id }),
          client.cases.timeline({ id, limit: 20 }),
        ])
        return {
          json: { ...found, tasks: tasks.items, timeline: timeline.items },
          text: stacked(
            card([
              ['case', `${found.number}  ${found.title}`],
              ['severity', found.severity],
              ['tlp', found.audience === 'named' ? `${found.tlp}, named recipients` : found.tlp],
              ['phase', found.phase],
              ['owner', found.owner?.name ?? null],
              ['opened', `${moment(found.openedAt)} by ${found.openedBy}`],
              ['due', found.respondedAt === null ? moment(found.dueAt) : `answered ${moment(found.respondedAt)}`],
              ['alerts', found.alertCount],
              ['techniques', found.techniques.join(', ') || null],
              ['description', found.description || null],
              ['resolution', found.resolution],
              ['id', found.id],
            ]),
            table(
              tasks.items,
              [
                { head: 'TASK', value: ({ title }) => title },
                { head: 'STATE', value: ({ state }) => state, whole: true },
                { head: 'ASSIGNEE', value: ({ assignee }) => assignee?.name ?? null },
              ],
              'No tasks.',
            ),
            table(
              timeline.items,
              [
                { head: 'WHEN', value: ({ at }) => moment(at), whole: true },
                { head: 'WHO', value: ({ actor }) => actor.name },
                { head: 'WHAT', value: ({ kind }) => kind, whole: true },
                { head: 'TEXT', value: ({ text }) => text },
              ],
              'Nothing happened yet.',
            ),
          ),
        }
      }),
    )
}
