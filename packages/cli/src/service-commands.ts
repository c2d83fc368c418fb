import { resolve } from 'node:path'
import { Argument, type Command } from 'commander'
import { type Report, run, teach } from './command.ts'
import { CommandError } from './command-error.ts'
import { type KeeperLine, withKeeper } from './keeper-line.ts'
import { moment, sentences, stacked, table } from './table.ts'

const subjectArgument = () => new Argument('<subject>', 'a service’s name, a SPIFFE id, or the serial of a certificate')

/** `redoubt service`: who the platform's services and runners are, and who is not believed. */
export function addServiceCommands(program: Command): void {
  const service = program
    .command('service')
    .summary('services: identities, certificates, deny-list')
    .description(
      'Shows the services of the installation of REDOUBT_HOME with their identities, enrols those that run apart, and takes identities out of trust.',
    )

  teach(service.command('list'), {
    summary: 'list the services with their certificates',
    description:
      'Lists every service with its identity, its certificate and when it was last heard of since the keeper’s start, and the deny-list.',
    examples: ['redoubt service list'],
  }).action(run(() => withKeeper(list), null))

  teach(service.command('enrol'), {
    summary: 'write the identity file of a service that runs apart',
    description:
      'Writes the file by which a service proves itself to the keeper (mode 0600): into REDOUBT_HOME, or where --to says, to be carried to the machine of the service. Whoever holds it can be that service: carry it on a way you trust, and delete what was in between.',
    examples: ['redoubt service enrol worker', 'redoubt service enrol api --to /mnt/api/identity.json'],
  })
    .argument('<name>', 'which service')
    .option('--to <file>', 'where to write it')
    .action(
      run(
        (_context, name: string, { to }: { to?: string }) =>
          withKeeper(async ({ ask }) => {
            await requireService({ ask }, name)
            const where = to === undefined ? {} : { to: resolve(to) }
            const { file } = await ask('services.enrol', { service: name, ...where })
            return { json: { service: name, file }, text: sentences(`The identity of ${name} is in ${file}.`) }
          }),
        null,
      ),
    )

  teach(service.command('deny'), {
    summary: 'take an identity or a certificate out of trust',
    description:
      'Puts an identity or one certificate on the deny-list: every service and runner of the running platform refuses it within seconds. A service that was only moved needs redoubt keys rotate services and a new enrolment instead.',
    examples: [
      'redoubt service deny search-sync --reason "its machine was stolen"',
      'redoubt service deny 4f09c1 --reason "leaked certificate"',
    ],
  })
    .addArgument(subjectArgument())
    .requiredOption('--reason <words>', 'why; it is shown in the list and the audit log')
    .action(
      run(
        (_context, subject: string, { reason }: { reason: string }) =>
          withKeeper(async (line) => {
            const denied = await subjectOf(line, subject)
            await line.ask('services.deny', { subject: denied, reason })
            return { json: { subject: denied, reason }, text: sentences(`${denied} is not believed any more.`) }
          }),
        null,
      ),
    )

  teach(service.command('admit'), {
    summary: 'take an identity or a certificate off the deny-list',
    description: 'Takes an identity or a certificate off the deny-list again.',
    examples: ['redoubt service admit search-sync'],
  })
    .addArgument(subjectArgument())
    .action(
      run(
        (_context, subject: string) =>
          withKeeper(async (line) => {
            const admitted = await subjectOf(line, subject)
            const denials = await line.ask('services.denials')
            if (!denials.some((denial) => denial.subject === admitted))
              throw new CommandError(`${admitted} is not on the deny-list: redoubt service list shows it.`)
            await line.ask('services.deny', { subject: admitted, reason: null })
            return { json: { subject: admitted }, text: sentences(`${admitted} is believed again.`) }
          }),
        null,
      ),
    )
}

async function list({ ask }: KeeperLine): Promise<Report> {
  const items = await ask('services.list')
  const denials = await ask('services.denials')
  return {
    json: { items, denials },
    text: stacked(
      table(
        items,
        [
          { head: 'SERVICE', value: ({ service, denied }) => (denied ? `${service} (denied)` : service), whole: true },
          { head: 'LAST SEEN', value: ({ lastSeenAt }) => moment(lastSeenAt), whole: true },
          { head: 'CERTIFICATE UNTIL', value: ({ certificate }) => moment(certificate?.notAfter ?? null), whole: true },
          { head: 'VERSION', value: ({ version }) => version },
          { head: 'IDENTITY', value: ({ spiffeId }) => spiffeId, whole: true },
        ],
        'There are no services.',
      ),
      table(
        denials,
        [
          { head: 'DENIED', value: ({ subject }) => subject, whole: true },
          { head: 'SINCE', value: ({ at }) => moment(at), whole: true },
          { head: 'REASON', value: ({ reason }) => reason },
        ],
        'Nobody is denied.',
      ),
    ),
  }
}

async function requireService({ ask }: Pick<KeeperLine, 'ask'>, name: string) {
  const services = await ask('services.list')
  const found = services.find(({ service }) => service === name)
  if (found) return found
  throw new CommandError(
    `There is no service ${name}; there are ${services.map(({ service }) => service).join(', ')}.`,
    { exitCode: 2 },
  )
}

/** A SPIFFE id or serial as it is, a name as its service's id. */
async function subjectOf(line: KeeperLine, subject: string): Promise<string> {
  if (/^spiffe:\/\/\S+$/.test(subject)) return subject
  if (/^[0-9a-f]{2,64}$/i.test(subject)) return subject.toLowerCase()
  return (await requireService(line, subject)).spiffeId
}
