import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@redoubt/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callConsole } from '../src/demo/console-call.ts'
import { redoubt as runToEnd } from './command-process.ts'
import { environmentOf, redoubt, type Started } from './start-process.ts'

const email = 'ada@example.org'
const password = 'three unrelated words'

/* OPS-3 as it would happen: the machine is gone; an archive and the recovery file are all there is. */
describe('an installation that was lost', () => {
  let folder: string
  const running: Started[] = []
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'redoubt-drill-'))
  })
  afterAll(async () => {
    for (const { child } of running) child.kill('SIGTERM')
    await Promise.all(running.map((each) => each.ended()))
    await rm(folder, { recursive: true, force: true })
  })

  async function machine(name: string) {
    const home = join(folder, name)
    const environment = await environmentOf(home)
    const url = `http://127.0.0.1:${environment['REDOUBT_API_PORT']}`
    const client = { XDG_CONFIG_HOME: join(folder, `${name}-config`), REDOUBT_URL: url }
    return {
      home,
      environment,
      url,
      async run(args: string[], input = '') {
        const done = await runToEnd(args, { ...environment, ...client }, input)
        return { ...done, json: args.includes('--json') ? JSON.parse(done.out) : null }
      },
      async start(until: RegExp) {
        const started = redoubt(['start'], environment)
        running.push(started)
        return { started, found: await started.until(until) }
      },
      signIn: () => createClient({ url, credentials: { email, password } }),
    }
  }
  type Machine = Awaited<ReturnType<typeof machine>>
  const recovery = () => join(folder, 'recovery.json')
  const backups = () => join(folder, 'backups')
  /** Sealed within a second; a file that is exported before has fewer events. */
  async function exported(on: Machine, file: string) {
    expect(await on.run(['login', '--email', email], `${password}\n`)).toMatchObject({ code: 0 })
    await expect.poll(async () => (await on.run(['audit', 'checkpoint', '--json'])).json.size).toBeGreaterThan(10)
    const path = join(folder, file)
    expect(await on.run(['audit', 'export', '--out', path])).toMatchObject({ code: 0 })
    return { path, lines: (await readFile(path, 'utf8')).trim().split('\n') }
  }

  let archive: string
  let before: { cases: readonly { id: string; title: string }[]; members: unknown; checkpoint: { size: number } }
  let earlier: Awaited<ReturnType<typeof exported>>
  let door: { token: string; path: string }

  it('was backed up while it worked', async () => {
    const lost = await machine('lost')
    lost.environment['REDOUBT_BACKUP_TO'] = join(folder, 'scheduled')
    const { started, found } = await lost.start(/token=(\S+)\s/)
    await callConsole(`http://127.0.0.1:${lost.environment['REDOUBT_WEB_PORT']}`, 'auth.setUp', {
      token: found[1],
      organization: 'Northwind',
      name: 'Ada',
      email,
      password,
    })
    // The schedule makes the first one at once.
    const scheduled = () => readdir(join(folder, 'scheduled')).catch(() => [])
    await expect.poll(scheduled, { timeout: 20_000 }).toEqual([expect.stringMatching(/^redoubt-.*\.backup$/)])
    const client = lost.signIn()
    for (let at = 0; at < 8; at += 1) await client.cases.open({ title: `Case ${at}`, severity: 'low', tlp: 'RED' })
    const made = await client.sources.create({ name: 'Door', slug: 'door', type: 'generic', tlp: 'AMBER' })
    door = { token: made.credentials.token, path: made.source.path }
    for (const key of ['kek', 'checkpoint', 'secrets', 'data', 'access'])
      expect(await lost.run(['keys', 'rotate', key])).toMatchObject({ code: 0 })
    await client.cases.open({ title: 'After the rotations', severity: 'high' })
    earlier = await exported(lost, 'before.ndjson')
    before = {
      cases: (await client.cases.list({ limit: 50 })).items.map(({ id, title }) => ({ id, title })),
      members: (await client.members.list()).items,
      checkpoint: (await lost.run(['audit', 'checkpoint', '--json'])).json,
    }

    expect(await lost.run(['backup', 'key', '--out', recovery()])).toMatchObject({ code: 0 })
    expect((await stat(recovery())).mode & 0o777).toBe(0o600)
    expect(await lost.run(['backup', 'key', '--out', recovery()])).toMatchObject({
      code: 1,
      err: expect.stringContaining('is there already'),
    })
    let writing = true
    const writer = (async () => {
      for (let at = 0; writing; at += 1) await client.cases.open({ title: `During ${at}`, severity: 'low' })
    })()
    const backup = await lost.run(['backup', '--to', backups(), '--json'])
    writing = false
    await writer
    expect(backup).toMatchObject({ code: 0, json: { place: backups(), tables: expect.any(Number) } })
    archive = join(backups(), backup.json.name)
    expect((await stat(archive)).mode & 0o777).toBe(0o600)
    expect((await lost.run(['backup', 'list', '--to', backups(), '--json'])).json.items).toHaveLength(1)
    expect(await lost.run(['backup', 'verify', archive])).toMatchObject({ code: 0 })
    // In the operator's log, like all else that is done to the installation.
    await expect
      .poll(async () => (await client.audit.list({ action: 'backup.made' })).items.length, { timeout: 10_000 })
      .toBe(1)
    for (const action of ['key.rotated', 'backup.key-exported'])
      expect((await client.audit.list({ action })).items.length, action).toBeGreaterThan(0)

    started.child.kill('SIGTERM')
    expect(await started.ended()).toBe(0)
    await rm(lost.home, { recursive: true })
  })

  it('leaves nothing readable in its archive', async () => {
    const bytes = await readFile(archive)
    for (const text of ['After the rotations', email, 'Northwind', 'redoubt.keks', door.token])
      expect(bytes.includes(text), text).toBe(false)
  })

  it('is not restored from a damaged archive, nor with another key, and nothing is left behind then', async () => {
    const elsewhere = await machine('refused')
    const bytes = await readFile(archive)
    const damaged = join(folder, 'damaged.backup')
    const at = Math.floor(bytes.length / 2)
    bytes[at] = (bytes[at] as number) ^ 1
    await writeFile(damaged, bytes)
    const restore = (from: string, key: string) => elsewhere.run(['restore', from, '--recovery-key', key])
    expect(await restore(damaged, recovery())).toMatchObject({ code: 1, err: expect.stringContaining('damaged') })
    const other = await machine('other')
    expect(await other.run(['secret', 'set', 'some/secret'], 'x\n')).toMatchObject({ code: 0 })
    const otherKey = join(folder, 'other.json')
    expect(await other.run(['backup', 'key', '--out', otherKey])).toMatchObject({ code: 0 })
    expect(await restore(archive, otherKey)).toMatchObject({
      code: 1,
      err: expect.stringContaining('use the recovery file of that key'),
    })
    expect(await restore(archive, join(folder, 'no.json'))).toMatchObject({ code: 1 })
    expect(existsSync(elsewhere.home) ? await readdir(elsewhere.home) : []).not.toContain('postgres')
    expect(existsSync(join(elsewhere.home, 'keys', 'master.json'))).toBe(false)
    // Nor over another installation.
    const over = await other.run(['restore', archive, '--recovery-key', recovery()])
    expect(over).toMatchObject({ code: 1, err: expect.stringContaining('REDOUBT_HOME set to a new folder') })
    expect(await other.run(['secret', 'list', 'some/'])).toMatchObject({ code: 0 })
  })

  it('lives again elsewhere: sign-in, rows, keys and audit proofs hold', async () => {
    const found = await machine('found')
    const renamed = join(folder, 'carried-over.backup')
    await rename(archive, renamed)
    expect(await found.run(['backup', 'verify', renamed, '--recovery-key', recovery()])).toMatchObject({ code: 0 })
    const restoredAt = Date.now()
    const restored = await found.run(['restore', renamed, '--recovery-key', recovery(), '--json'])
    expect(restored).toMatchObject({ code: 0, json: { home: found.home } })
    expect(await readdir(join(found.home, 'keys'))).toEqual(
      expect.arrayContaining(['keks.json', 'master.json', 'secrets.json']),
    )
    const { started } = await found.start(/Ready after/)
    expect(started.output()).not.toContain('Set it up')

    const client = found.signIn()
    expect((await client.members.list()).items).toEqual(before.members)
    const { items } = await client.cases.list({ limit: 200 })
    for (const one of before.cases) expect(items).toContainEqual(expect.objectContaining(one))
    const next = await client.cases.open({ title: 'After the restore', severity: 'low' })
    expect(next.number).toBe(Math.max(...items.map(({ number }) => number)) + 1)
    const sent = await fetch(`http://127.0.0.1:${found.environment['REDOUBT_INGESTION_PORT']}${door.path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${door.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ title: 'Door open' }),
    })
    expect(sent.status, await sent.text()).toBe(202)
    // A session that was ended after the backup must not come back, so none does.
    for (const session of (await client.sessions.list()).items)
      expect(Date.parse(session.createdAt)).toBeGreaterThan(restoredAt)

    const later = await exported(found, 'after.ndjson')
    expect(await found.run(['audit', 'verify', later.path])).toMatchObject({ code: 0 })
    // Every event that was exported before the loss is there, byte for byte, in its place.
    const events = (lines: readonly string[]) => lines.filter((line) => line.includes('"seq"'))
    expect(events(earlier.lines).length).toBeGreaterThan(10)
    expect(events(later.lines).slice(0, events(earlier.lines).length)).toEqual(events(earlier.lines))
    expect((await found.run(['audit', 'checkpoint', '--json'])).json.size).toBeGreaterThan(before.checkpoint.size)

    const doctor = await found.run(['keys', 'doctor', '--json'])
    expect(doctor).toMatchObject({ code: 0, json: { ok: true } })
    // The key of before opens what it made, the new one what it makes.
    const newer = join(folder, 'newer.json')
    expect(await found.run(['backup', 'key', '--renew', '--out', newer])).toMatchObject({ code: 0 })
    expect(await found.run(['backup', 'verify', renamed])).toMatchObject({ code: 0 })
    const again = await found.run(['backup', '--to', backups(), '--json'])
    expect(again).toMatchObject({ code: 0 })
    expect(
      await found.run(['backup', 'verify', join(backups(), again.json.name), '--recovery-key', newer]),
    ).toMatchObject({
      code: 0,
    })
  })
})
