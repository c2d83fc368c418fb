import { type VerifiedHead, verifyAuditProof, verifyLogHead } from '@redoubt/trust'
import type { Command } from 'commander'
import { exportAudit, verifyAuditCommand } from './audit-commands.ts'
import { run, teach } from './command.ts'
import { CommandError } from './command-error.ts'
import { limitOption } from './option-values.ts'
import { firstItems } from './pick.ts'
import { card, moment, sentences, stacked, table } from './table.ts'

const keyOption = [
  '--key <vkey>',
  'the verifier key you keep (origin+id+key), of now or of before a rotation; without it the platform’s own is used',
] as const

/** `redoubt audit`: the organization's log, and the proofs that nobody altered it. */
export function addAuditCommands(program: Command): void {
  const audit = program
    .command('audit')
    .summary('the audit log and its proofs')
    .description(
      'Reads the append-only log of the organization and verifies its proofs (RFC 6962, C2SP tlog-checkpoint) on this machine.',
    )

  teach(audit.command('list'), {
    summary: 'list audit events',
    description: 'Lists audit events, newest first. A number in SEQ is the place in the sealed log.',
    examples: ['redoubt audit list --action case.opened --limit 10'],
  })
    .option('--action <action>', 'only this action, such as case.opened')
    .option('--actor <id>', 'only what this person, service or runner did')
    .option('--target <id>', 'only what was done to this')
    .addOption(limitOption())
    .action(
      run(async ({ connect }, options: { action?: string; actor?: string; target?: string; limit: number }) => {
        const { client } = connect()
        const filter = {
          ...(options.action === undefined ? {} : { action: options.action }),
          ...(options.actor === undefined ? {} : { actorId: options.actor }),
          ...(options.target === undefined ? {} : { targetId: options.target }),
        }
        const { limit } = options
        const items = await firstItems(
          client.items(client.audit.list, { ...filter, limit: Math.min(limit, 200) }),
          limit,
        )
        return {
          json: { items },
          text: table(
            items,
            [
              { head: 'SEQ', value: ({ seq }) => seq, align: 'right', whole: true },
              { head: 'AT', value: ({ at }) => moment(at), whole: true },
              { head: 'WHO', value: ({ actor }) => actor.name },
              { head: 'ACTION', value: ({ action }) => action },
              { head: 'OUTCOME', value: ({ outcome }) => outcome },
              { head: 'ID', value: ({ id }) => id, whole: true },
            ],
            'No events.',
          ),
        }
      }),
    )

  teach(audit.command('checkpoint'), {
    summary: 'show and verify the newest checkpoint',
    description:
      'Shows the newest signed head of the log and verifies its signature here. Note its size and root somewhere else: a later log must extend it.',
    examples: ['redoubt audit checkpoint', 'redoubt audit checkpoint --json > checkpoint.json'],
  })
    .option(...keyOption)
    .action(
      run(async ({ connect }, { key }: { key?: string }) => {
        const head = await connect().client.audit.checkpoint()
        if (head.note === null) {
          return { json: { ...head, verified: false }, text: sentences('Nothing is sealed yet.') }
        }
        const { note, origin } = head
        const pinned = key === undefined ? {} : { trustedVerifier: key }
        const verdict = await verdictOf(() => verifyLogHead({ ...head, note }, { origin, ...pinned }))
        const problem = typeof verdict === 'string' ? verdict : null
        return {
          json: { ...head, verified: problem === null, ...(problem === null ? {} : { problem }) },
          text: stacked(
            card([
              ['log', head.origin],
              ['events', head.size],
              ['at', moment(head.at)],
              ['verifier', head.verifier],
              ['signature', typeof verdict === 'string' ? `DOES NOT HOLD: ${verdict}` : `holds${handed(verdict)}`],
            ]),
            card([['note', head.note.trimEnd()]]),
          ),
          exitCode: problem === null ? 0 : 1,
        }
      }),
    )

  teach(audit.command('proof'), {
    summary: 'prove that one event is in the log',
    description:
      'Fetches the inclusion proof of an event and verifies it here, from the event’s bytes to the signed root.',
    examples: ['redoubt audit proof 0190a3c2-7d5e-7c1a-9f00-3b2a1c0d9e8f'],
  })
    .argument('<id>', 'id of an audit event')
    .option(...keyOption)
    .action(
      run(async ({ connect }, id: string, { key }: { key?: string }) => {
        const { client } = connect()
        const proof = await client.audit.inclusion({ id })
        const { origin } = await client.audit.checkpoint()
        const verdict = await verifyAuditProof(proof, {
          origin,
          ...(key === undefined ? {} : { trustedVerifier: key }),
        })
        if (!verdict.ok) {
          const problem = verdict.problem
          return {
            json: { ...proof, origin, ok: false, problem },
            text: sentences('The proof does NOT hold.', problem),
            exitCode: 1,
          }
        }
        return {
          json: { ...proof, origin, ok: true },
          text: card([
            ['proof', `holds: event ${proof.seq} of ${proof.size}, ${proof.proof.length} hashes to the signed root`],
            ['log', origin],
            [
              'key',
              key === undefined
                ? `${proof.verifier} (the platform’s own; compare it with the one you keep)`
                : `${verdict.verifier}${handed(verdict)}`,
            ],
            ['event', proof.body],
          ]),
        }
      }),
    )

  teach(audit.command('export'), {
    summary: 'save the log as a file',
    description:
      'Saves the whole log with its checkpoints as a file that redoubt audit verify checks without a server. The file appears under its name only when it is whole.',
    examples: ['redoubt audit export --out audit-2026-06.ndjson'],
  })
    .option('--out <file>', 'where to (default: audit-ORGANIZATION-DATE.ndjson)')
    .action(
      run(async ({ connect }, { out }: { out?: string }) => {
        const connection = connect()
        const { slug } = await connection.client.organizations.current()
        const file = out ?? `audit-${slug}-${new Date().toISOString().slice(0, 10)}.ndjson`
        // The platform ends an export with the access token's life, so it begins with a new one.
        const token = await connection.freshToken()
        const saved = await exportAudit({ url: connection.url, token, out: file, fetch: connection.fetch })
        return {
          json: saved,
          text: sentences(
            `Saved ${saved.bytes.toLocaleString('en-GB')} bytes to ${saved.file}.`,
            `Check it with: redoubt audit verify ${saved.file}`,
          ),
        }
      }, 'Exporting the log'),
    )

  teach(audit.command('verify'), {
    summary: 'verify an exported log, without a server',
    description:
      'Verifies every event and checkpoint of an exported log and names the first that was altered, is missing or out of order. Exit code 0: the log is whole; 1: it is not; 2: the file cannot be read.',
    examples: ['redoubt audit verify audit-2026-06.ndjson --key "$(cat our-log.vkey)"'],
  })
    .argument('<file>', 'a file of redoubt audit export')
    .option(
      '--key <vkey>',
      'the verifier key you keep (origin+id+key), of now or of before a rotation; without it the file’s own is used, and said so',
    )
    .action(
      run(async (_context, file: string, { key, json }: { key?: string; json?: true }) => {
        const lines: string[] = []
        const exitCode = await verifyAuditCommand(file, {
          ...(key === undefined ? {} : { key }),
          json: json === true,
          print: (line) => lines.push(...line.split('\n')),
        })
        return { json: json ? JSON.parse(lines.join('\n')) : null, text: sentences(...lines), exitCode }
      }, 'Verifying'),
    )
}

/** The head that holds, or what is wrong with it. */
async function verdictOf(check: () => Promise<VerifiedHead>): Promise<VerifiedHead | string> {
  try {
    return await check()
  } catch (error) {
    if (error instanceof Error && error.name === 'TrustError') return error.message
    throw new CommandError('The checkpoint could not be verified.', { cause: error })
  }
}

/** Says that the key changed since the one that the reader keeps. */
const handed = ({ handovers }: Pick<VerifiedHead, 'handovers'>): string =>
  handovers === 0 ? '' : ` (${handovers} rotations later than the key you keep; keep this one from now on)`
