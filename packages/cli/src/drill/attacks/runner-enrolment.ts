import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { ROOTS_PATH } from '@redoubt/contract'
import { startRunner } from '@redoubt/runner'
import { createAuthority } from '@redoubt/trust'
import { pino } from 'pino'
import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { certificateFor } from '../channel.ts'
import { bodyOf } from '../http.ts'
import { bearer, eventually } from '../organization.ts'
import type { Parts, Terrain } from '../terrain.ts'

/* A new runner, and somebody who stands where it looks for its control plane (SVC-4). */

const needs = ['authority', 'runnersPort'] as const
type Channel = Terrain & Pick<Parts, (typeof needs)[number]>

/** Starts a runner with a genuine token. @returns what it came to: enrolled, or why not */
async function enrolAt({ api, b }: Channel, controlPlane: string): Promise<{ enrolled: boolean; why: string }> {
  const home = await mkdtemp(join(tmpdir(), 'redoubt-drill-runner-'))
  const invited = await api.post('/api/v1/runners/enrolments', { name: 'Drill runner' }, bearer(b.admin))
  const { token } = bodyOf<{ token: string }>(invited)
  await writeFile(join(home, 'enrolment.json'), JSON.stringify({ controlPlane, token }), { mode: 0o600 })
  const lines: { msg: string; reason?: string }[] = []
  const log = new PassThrough().on('data', (text: Buffer) => {
    for (const line of text.toString('utf8').trim().split('\n')) lines.push(JSON.parse(line))
  })
  const runner = await startRunner({ home, port: 0, log: pino({ level: 'info' }, log) })
  try {
    return await eventually('the runner says how its enrolment went', async () => {
      const line = lines.find(({ msg }) => /is enrolled|enrolment (did not succeed|token was refused)/.test(msg))
      return line && { enrolled: line.msg.includes('is enrolled'), why: line.reason ?? '' }
    })
  } finally {
    await runner.stop()
    await rm(home, { recursive: true, force: true })
  }
}

/** @param roots what the impostor presents as the authorities it is known by: its own, and the true one */
const luring = (id: string, title: string, roots: (own: string, genuine: string) => readonly string[]): AnyAttack =>
  attack({
    id: `channel.${id}`,
    actor: 'runner’s channel',
    requirement: 'SVC-4',
    title,
    needs,
    async control(t) {
      const { enrolled, why } = await enrolAt(t, t.runnersPort.url)
      if (!enrolled) throw new NotShown(`at the true control plane: ${why}`)
      return 'at the true control plane it enrols'
    },
    async attack(t) {
      const { trustDomain, certificatePem: genuine } = t.authority
      const own = await createAuthority({ trustDomain, now: new Date(Date.now() - 60_000), validityMs: 86_400_000 })
      const shown = await certificateFor(own, { trustDomain, kind: 'service', name: 'api' })
      const rootsPem = roots(own.certificatePem, genuine)
      let received = ''
      const server = createServer({ cert: shown.certificatePem, key: shown.privateKeyPem }, (request, response) => {
        request.on('data', (chunk: Buffer) => {
          received += chunk.toString('utf8')
        })
        request.on('end', () => response.end(request.url === ROOTS_PATH ? JSON.stringify({ rootsPem }) : '{}'))
      })
      await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
      try {
        const { why } = await enrolAt(t, `https://127.0.0.1:${(server.address() as AddressInfo).port}`)
        if (received !== '') return `it sent ${received.slice(0, 80)}`
        throw new Stopped(why)
      } finally {
        server.closeAllConnections()
        server.close()
      }
    },
  })

export const runnerEnrolmentAttacks: readonly AnyAttack[] = [
  luring('impostor', 'have a new runner show its token to an impostor with an authority of its own', (own) => [own]),
  luring('impostor-roots', 'the same, presenting the true authority beside one’s own', (own, genuine) => [
    genuine,
    own,
  ]),
]
