import { type RotatableKey, rotatableKeys } from '@redoubt/contract'
import { Argument, type Command } from 'commander'
import { type Report, run, teach } from './command.ts'
import { type KeeperLine, withKeeper } from './keeper-line.ts'
import { checkKeys } from './keys-doctor.ts'
import { addProtectCommand } from './keys-protect.ts'
import { sentences, stacked, table } from './table.ts'

/** `redoubt keys`: the keys of the installation, their ages and rotation. */
export function addKeysCommands(program: Command): void {
  const keys = program
    .command('keys')
    .summary('keys: states, rotation, protection')
    .description(
      'Shows and rotates the keys of the installation of REDOUBT_HOME, while it runs or not. Every key rotates by itself; these commands are for looking, and for a key that may be known to others.',
    )

  teach(keys.command('status'), {
    summary: 'show every key with its age and next rotation',
    description:
      'Shows each key with its versions: pending ones are published and do not sign yet, retiring ones still verify and open. The data keys of each organization are in the console.',
    examples: ['redoubt keys status'],
  }).action(run(() => withKeeper(status), null))

  teach(keys.command('rotate'), {
    summary: 'rotate a key now',
    description:
      'Makes a new version now, whatever the age of the newest. What the old one signed or sealed stays good for its time: nothing has to be restarted, and nobody is signed out. data is every organization’s data keys: the worker of the running platform makes the new ones and encrypts anew.',
    examples: ['redoubt keys rotate access', 'redoubt keys rotate kek'],
  })
    .addArgument(new Argument('<key>', 'which one').choices(rotatableKeys))
    .action(
      run(
        (_context, key: RotatableKey) =>
          withKeeper(async ({ ask }) => {
            await ask('keys.rotate', { key })
            return { json: { key }, text: sentences(rotated[key]) }
          }),
        null,
      ),
    )

  teach(keys.command('doctor'), {
    summary: 'check everything about the keys that can go wrong',
    description:
      'Checks the files of the keys and who may read them, whether the master key and the secret store answer, the ages of all keys, certificates, the secrets that the configuration refers to, the recovery file and the newest backup. Says how to mend what is wrong, and changes nothing. Exit code 1 if one check fails; a warning alone is 0.',
    examples: ['redoubt keys doctor', 'redoubt keys doctor --json | jq ".checks[] | select(.status != \\"ok\\")"'],
  }).action(run(() => withKeeper(checkKeys), null))

  addProtectCommand(keys)
}

const rotated: Readonly<Record<RotatableKey, string>> = {
  kek: 'A new key-encryption key wraps from now on. The worker wraps the data keys anew, then the old one is destroyed.',
  data: 'The worker makes new data keys and encrypts every value anew; the console shows how far it is.',
  secrets: 'Every secret is sealed anew under a new key.',
  access: 'A new key for access tokens is published; it signs in 15 minutes, when every service has it.',
  plan: 'A new key for plans is published; it signs in 15 minutes, when every runner has it.',
  checkpoint:
    'A new key signs the audit log’s checkpoints; the old one has named it, and its private half is destroyed.',
  services: 'Every service gets a new key for its requests; the old ones are refused in an hour.',
  authority:
    'A new root of the internal certificates is published; it issues in an hour, when every service trusts it.',
}

async function status({ ask }: KeeperLine): Promise<Report> {
  const found = await ask('keys.status')
  const now = Date.now()
  const rows = found.keys.flatMap(({ key, versions, nextRotationAt }) =>
    versions.map((version, at) => ({ ...version, key, next: at === 0 ? nextRotationAt : null })),
  )
  return {
    json: found,
    text: stacked(
      sentences(
        `master key   ${found.master.provider}, ${found.master.id}`,
        `secrets      ${found.store.secrets} in the ${found.store.kind} store`,
      ),
      table(
        rows,
        [
          { head: 'KEY', value: ({ key }) => key, whole: true },
          { head: 'VERSION', value: ({ version }) => version, align: 'right' },
          { head: 'STATE', value: ({ state }) => state, whole: true },
          { head: 'AGE', value: ({ createdAt }) => span(now - Date.parse(createdAt)), align: 'right', whole: true },
          {
            head: 'NEXT ROTATION',
            value: ({ next }) => (next === null ? null : until(Date.parse(next) - now)),
            whole: true,
          },
          { head: 'ENDS', value: ({ endsAt }) => (endsAt === null ? null : until(Date.parse(endsAt) - now)) },
          { head: 'KEY ID', value: ({ kid }) => kid },
        ],
        'There are no keys.',
      ),
    ),
  }
}

const minute = 60_000
const units = [
  [24 * 60 * minute, 'd'],
  [60 * minute, 'h'],
  [minute, 'min'],
] as const

/** `12 d`, `5 h`, `30 min`. */
export function span(ms: number): string {
  const [size, unit] = units.find(([size]) => Math.abs(ms) >= size) ?? [minute, 'min']
  return `${Math.floor(Math.abs(ms) / size)} ${unit}`
}

const until = (ms: number): string => (ms < 0 ? `overdue by ${span(ms)}` : `in ${span(ms)}`)
