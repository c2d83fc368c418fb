import { readFile } from 'node:fs/promises'
import { type AdapterType, adapterTypes, SourceMapping, type Tlp, tlps } from '@redoubt/contract'
import { Argument, type Command } from 'commander'
import type { z } from 'zod'
import { run, teach } from './command.ts'
import { CommandError } from './command-error.ts'
import { choiceOption } from './option-values.ts'
import { pickSource } from './pick.ts'
import { card, moment, sentences, stacked, type Text, table } from './table.ts'

const sourceArgument = () => new Argument('<source>', 'slug or id of a source')

/** `redoubt source`: where alerts come from. */
export function addSourceCommands(program: Command): void {
  const source = program
    .command('source')
    .summary('where alerts come from')
    .description('Manages the sources that send alerts to the ingestion service, each with a token of its own.')

  teach(source.command('list'), {
    summary: 'list the sources',
    description: 'Lists the alert sources of the organization, by name, with when each was last heard of.',
    examples: ['redoubt source list'],
  }).action(
    run(async ({ connect }) => {
      const { items } = await connect().client.sources.list()
      return {
        json: { items },
        text: table(
          items,
          [
            { head: 'SLUG', value: ({ slug }) => slug, whole: true },
            { head: 'NAME', value: ({ name }) => name },
            { head: 'TYPE', value: ({ type }) => type, whole: true },
            { head: 'TLP', value: ({ tlp }) => tlp, whole: true },
            { head: 'STATE', value: ({ enabled }) => (enabled ? 'enabled' : 'disabled'), whole: true },
            {
              head: 'LAST 24 H',
              value: ({ activity }) => activity.reduce((sum, count) => sum + count, 0),
              align: 'right',
            },
            { head: 'LAST EVENT', value: ({ lastEventAt }) => moment(lastEventAt) },
          ],
          'No sources yet: redoubt source create NAME SLUG TYPE makes one.',
        ),
      }
    }),
  )

  teach(source.command('adapters'), {
    summary: 'list the kinds of sources there are',
    description: 'Lists the adapter types, and how to point each product at the platform.',
    examples: ['redoubt source adapters'],
  }).action(
    run(async ({ connect }) => {
      const { items } = await connect().client.sources.adapters()
      return {
        json: { items },
        text: stacked(
          ...items.map(({ type, label, vendor, instructions }) =>
            card([
              ['type', type],
              ['product', `${label} (${vendor})`],
              ['how', instructions],
            ]),
          ),
        ),
      }
    }),
  )

  teach(source.command('create'), {
    summary: 'create a source',
    description:
      'Creates a source and prints its token and its webhook secret, once: only a hash is kept. A mapping file is JSON that says where `generic` finds title, description, severity, time and ref, as paths such as event.items[0].name.',
    examples: [
      'redoubt source create "Perimeter IDS" perimeter-ids suricata',
      'redoubt source create "Door control" doors generic --mapping doors.json --tlp AMBER+STRICT',
    ],
  })
    .argument('<name>', 'what people call it')
    .argument('<slug>', 'last part of its address: lower-case letters, digits and single hyphens')
    .addArgument(new Argument('<type>', 'which product speaks').choices(adapterTypes))
    .addOption(
      choiceOption(
        '--tlp <label>',
        'TLP of its alerts',
        tlps.filter((tlp) => tlp !== 'RED'),
      ).default('AMBER'),
    )
    .option('--mapping <file>', 'JSON file that says where the fields are')
    .action(
      run(async ({ connect }, name: string, slug: string, type: AdapterType, options: CreateOptions) => {
        const mapping = options.mapping === undefined ? {} : { mapping: await readMapping(options.mapping) }
        const made = await connect().client.sources.create({ name, slug, type, tlp: options.tlp, ...mapping })
        return {
          json: made,
          text: stacked(
            card([
              ['source', `${made.source.name} (${made.source.slug})`],
              ['id', made.source.id],
              ['address', made.source.url],
            ]),
            credentialsCard(made.credentials),
          ),
        }
      }),
    )

  teach(source.command('rotate'), {
    summary: 'replace the token and webhook secret of a source',
    description: 'Makes a new token and webhook secret, printed once. The old ones stop at once.',
    examples: ['redoubt source rotate perimeter-ids'],
  })
    .addArgument(sourceArgument())
    .action(
      run(async ({ connect }, name: string) => {
        const { client } = connect()
        const { id } = await pickSource(client, name)
        const credentials = await client.sources.rotate({ id })
        return { json: credentials, text: credentialsCard(credentials) }
      }),
    )

  for (const [verb, enabled, description] of [
    ['enable', true, 'Takes alerts of a disabled source again.'],
    ['disable', false, 'Refuses alerts of a source until it is enabled; what it sent stays.'],
  ] as const) {
    teach(source.command(verb), {
      summary: `${verb} a source`,
      description,
      examples: [`redoubt source ${verb} perimeter-ids`],
    })
      .addArgument(sourceArgument())
      .action(
        run(async ({ connect }, name: string) => {
          const { client } = connect()
          const { id } = await pickSource(client, name)
          const changed = await client.sources.update({ id, enabled })
          return { json: changed, text: sentences(`${changed.name} is ${changed.enabled ? 'enabled' : 'disabled'}.`) }
        }),
      )
  }

  teach(source.command('remove'), {
    summary: 'remove a source that never sent an alert',
    description: 'Removes a source. One that has sent alerts is part of their story: disable it instead.',
    examples: ['redoubt source remove test-source'],
  })
    .addArgument(sourceArgument())
    .action(
      run(async ({ connect }, name: string) => {
        const { client } = connect()
        const found = await pickSource(client, name)
        return {
          json: { ...(await client.sources.remove({ id: found.id })), id: found.id },
          text: sentences(`${found.name} is removed.`),
        }
      }),
    )
}

type CreateOptions = { readonly tlp: Exclude<z.output<typeof Tlp>, 'RED'>; readonly mapping?: string }

const credentialsCard = ({ token, webhookSecret }: { token: string; webhookSecret: string }): Text =>
  stacked(
    card([
      ['token', token],
      ['webhook secret', webhookSecret],
    ]),
    sentences('Keep them now: they are not shown again.'),
  )

async function readMapping(file: string): Promise<SourceMapping> {
  let value: unknown
  try {
    value = JSON.parse(await readFile(file, 'utf8'))
  } catch (cause) {
    throw new CommandError(`The mapping ${file} cannot be read as JSON: ${(cause as Error).message}.`, { cause })
  }
  const mapping = SourceMapping.safeParse(value)
  if (mapping.success) return mapping.data
  const wrong = mapping.error.issues.map(({ path, message }) =>
    path.length > 0 ? `${path.join('.')}: ${message}` : message,
  )
  throw new CommandError(`The mapping ${file} is not valid: ${wrong.join('; ')}.`)
}
