import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { withFileLock } from './file-lock.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'redoubt-lock-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('a file lock', () => {
  it('lets one in at a time, also within a process, and opens again after a failure', async () => {
    const path = join(folder, 'one')
    let inside = 0
    const enter = () =>
      withFileLock(path, 10_000, async () => {
        inside++
        await new Promise((next) => setImmediate(next))
        expect(inside).toBe(1)
        inside--
      })
    await Promise.all([enter(), enter(), enter()])
    await expect(withFileLock(path, 1000, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    await enter()
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it('says who is in the way when it is held too long, and is free the moment its holder is killed', async () => {
    const path = join(folder, 'two')
    const source = `import { withFileLock } from ${JSON.stringify(join(import.meta.dirname, 'file-lock.ts'))}
      withFileLock(${JSON.stringify(path)}, 0, () => { console.log('held'); return new Promise((stay) => setTimeout(stay, 60_000)) })`
    const holder = spawn(process.execPath, ['--input-type=module', '-e', source], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(holder.stdout, 'data')
    await expect(withFileLock(path, 0, async () => 'in')).rejects.toThrow(`has held ${path}`)
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    expect(await withFileLock(path, 0, async () => 'in')).toBe('in')
  })
})
