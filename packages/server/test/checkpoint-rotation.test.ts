import type { OrganizationId } from '@redoubt/contract'
import {
  importVerifyingKey,
  noteVerifierOf,
  parseNote,
  verifyAuditFile,
  verifyAuditProof,
  verifyLogHead,
} from '@redoubt/trust'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { directClient } from '../src/keeper/direct-client.ts'
import { inspectLog, mountAuditExport, sealOrganization } from '../src/modules/audit/index.ts'
import { headOf } from '../src/modules/audit/log-keys.ts'
import { createServer } from '../src/platform/http.ts'
import type { KeeperClient } from '../src/platform/keeper-protocol.ts'
import { SigningKeys } from '../src/platform/signing-keys.ts'
import { inTenant } from '../src/platform/tenant-tx.ts'
import { numbered, record, seal, withPassword } from './audit-fixture.ts'
import { startTestPlatform, type TestPerson, type TestPlatform } from './harness.ts'

let platform: TestPlatform
let url: string
beforeAll(async () => {
  platform = await startTestPlatform()
  const server = createServer(platform.kernel, 'api', async () => true)
  mountAuditExport(server, platform.kernel, platform.dispatch)
  const listening = await server.listen(0)
  platform.onStop(listening.stop)
  url = `${listening.url}/api/v1/audit/export`
})
afterAll(() => platform?.stop())

/** Rotates the checkpoint key; every service has heard of it. */
async function rotate(): Promise<void> {
  await platform.keeper.rotate('checkpoint')
  await Promise.all(Object.values(platform.parts).map(({ kernel }) => kernel.signing.checkpoint.refresh()))
}

async function newLog(): Promise<{ id: OrganizationId; admin: TestPerson }> {
  const { id } = await platform.organization()
  return { id, admin: await platform.member({ id }) }
}

async function grow(id: OrganizationId, count: number): Promise<void> {
  await record(platform, id, numbered(count))
  await seal(platform, id)
}

async function exported({ organizationId: id }: TestPerson): Promise<string[]> {
  const person = await platform.member({ id })
  const { accessToken } = await platform.call({ kind: 'none' }, 'auth.login', await withPassword(platform, person))
  const response = await fetch(url, { headers: { authorization: `Bearer ${accessToken}` } })
  return (await response.text()).trimEnd().split('\n')
}

const verify = (lines: readonly string[], trustedVerifier: string) =>
  verifyAuditFile(
    (async function* () {
      yield* lines
    })(),
    { trustedVerifier },
  )

/** The worker's checkpoint keys, without the notices of the keeper. */
function deafKeys(): Promise<SigningKeys> {
  const { keeper } = platform.parts.redoubt_worker.kernel
  const deaf: KeeperClient = { ...keeper, onChange: () => () => undefined }
  return SigningKeys.fetch(deaf, 'checkpoint', { clock: platform.clock, maxAgeMs: Number.POSITIVE_INFINITY })
}

/** Which of the installation's keys signed the organization's newest checkpoint; 0 is the first. */
async function signerOf(id: OrganizationId): Promise<number> {
  const { rows } = await platform.admin.query<{ note: string }>(
    'select note from audit_checkpoints where organization_id = $1 order by size desc limit 1',
    [id],
  )
  const own = parseNote(rows[0]?.note ?? '').signatures[0]?.keyId.toHex()
  const keys = platform.kernel.signing.checkpoint.history()
  const ids = await Promise.all(
    keys.map(async ({ verifying }) => (await noteVerifierOf(`redoubt.local/${id}/audit`, verifying)).keyId.toHex()),
  )
  return ids.indexOf(own ?? '')
}

describe('after rotations of the checkpoint key', () => {
  let log: Awaited<ReturnType<typeof newLog>>
  let pinned: string
  let origin: string
  let before: number
  beforeAll(async () => {
    log = await newLog()
    await grow(log.id, 3)
    ;({ verifier: pinned, origin } = await platform.call(log.admin, 'audit.checkpoint', {}))
    before = platform.kernel.signing.checkpoint.history().length
    for (let turn = 0; turn < 2; turn += 1) {
      await rotate()
      await grow(log.id, 2)
    }
  })

  test('the newest key signs, and each is named by the one before it', async () => {
    expect(await signerOf(log.id)).toBe(before + 1)
    const keys = platform.kernel.signing.checkpoint.history()
    expect(keys.map(({ succession }) => succession !== null)).toEqual(keys.map((_, at) => at > 0))
  })

  test('a reader who pinned the first key verifies the head, a proof and the export by the chain', async () => {
    const { note, ...head } = await platform.call(log.admin, 'audit.checkpoint', {})
    const trusted = { origin, trustedVerifier: pinned }
    expect(head.verifier).not.toBe(pinned)
    expect(await verifyLogHead({ ...head, note: note ?? '' }, trusted)).toMatchObject({ handovers: 2 })
    const { items } = await platform.call(log.admin, 'audit.list', {})
    const first = items.find(({ seq }) => seq === 0)?.id ?? ''
    const proof = await platform.call(log.admin, 'audit.inclusion', { id: first })
    expect(await verifyAuditProof(proof, trusted)).toMatchObject({ ok: true, handovers: 2, verifier: head.verifier })
    expect(await verify(await exported(log.admin), pinned)).toMatchObject({ ok: true, handovers: 2 })
  })

  test('a server that continues under a key of its own is caught, and so is one that withholds a statement', async () => {
    const lines = await exported(log.admin)
    const header = JSON.parse(lines[0] ?? '') as { successions: string[] }
    for (const successions of [header.successions.slice(1), header.successions.slice(0, -1), undefined])
      expect((await verify(lines.with(0, JSON.stringify({ ...header, successions })), pinned)).ok).toBe(false)
  })

  test('a log that has grown no further is shown with the key that signed it then, and grows on with the newest', async () => {
    const quiet = await newLog()
    await grow(quiet.id, 2)
    const then = await platform.call(quiet.admin, 'audit.checkpoint', {})
    await rotate()
    expect(await platform.call(quiet.admin, 'audit.checkpoint', {})).toEqual(then)
    expect(await verify(await exported(quiet.admin), then.verifier)).toMatchObject({ ok: true, handovers: 0 })
    await seal(platform, quiet.id)
    expect(await verify(await exported(quiet.admin), then.verifier)).toMatchObject({ ok: true, handovers: 1 })
  })

  test('the doctor finds the head of every log in order, whichever key signed it', async () => {
    const keys = platform.kernel.signing.checkpoint.history()
    const look = () =>
      inTenant(platform.databases.redoubt_worker, log.id, { service: 'doctor' }, (tx) => inspectLog(tx, keys))
    expect(await look()).toMatchObject({ problem: null })
    await rotate()
    expect(await look()).toMatchObject({ problem: null })
    const none = inTenant(platform.databases.redoubt_worker, log.id, { service: 'doctor' }, (tx) => inspectLog(tx, []))
    expect(await none).toMatchObject({ problem: expect.stringContaining('none of the installation') })
  })
})

test('a key that was succeeded loses its private half with the same write, in the store and towards every service', async () => {
  await rotate()
  const line = await platform.keeper.line('checkpoint')
  expect(line.map(({ material }) => material.d !== undefined)).toEqual(line.map((_, at) => at === line.length - 1))
  const answer = await directClient(platform.keeper, 'worker').call('signing.line', { use: 'checkpoint' })
  expect(answer.map(({ privateJwk }) => privateJwk !== null)).toEqual(line.map((_, at) => at === line.length - 1))
  expect(answer.every(({ publicJwk }) => importVerifyingKey(publicJwk).algorithm === 'Ed25519')).toBe(true)
})

test('the private halves of other services’ keys stay theirs: api learns of checkpoint keys the public half alone', async () => {
  const answer = await directClient(platform.keeper, 'api').call('signing.line', { use: 'checkpoint' })
  expect(answer.every(({ privateJwk }) => privateJwk === null)).toBe(true)
})

test('a worker that missed a rotation does not sign behind the new key: it asks, and signs with the new one', async () => {
  const { id, admin } = await newLog()
  await grow(id, 2)
  const { verifier } = await platform.call(admin, 'audit.checkpoint', {})
  const { kernel } = platform.parts.redoubt_worker
  const checkpoint = await deafKeys()
  const old = checkpoint.active().kid
  await rotate()
  await grow(id, 2)
  expect(checkpoint.active().kid).toBe(old)
  await record(platform, id, numbered(2))
  const late = { ...kernel, signing: { ...kernel.signing, checkpoint } }
  expect(await sealOrganization(late, platform.databases.redoubt_worker, id)).toBe(2)
  expect(checkpoint.active().kid).not.toBe(old)
  await grow(id, 1)
  expect(await verify(await exported(admin), verifier)).toMatchObject({ ok: true })
  checkpoint.close()
})

test('a head by a key that a service was not told of is answered with that key, once the keeper was asked', async () => {
  const { id, admin } = await newLog()
  await grow(id, 1)
  const { verifier, origin } = await platform.call(admin, 'audit.checkpoint', {})
  const deaf = await deafKeys()
  await rotate()
  await grow(id, 1)
  const { note } = await platform.call(admin, 'audit.checkpoint', {})
  platform.clock.advance(5000)
  const head = await headOf(id, note ?? '', deaf)
  expect(await verifyLogHead(head, { origin, trustedVerifier: verifier })).toMatchObject({ handovers: 1 })
  deaf.close()
})
