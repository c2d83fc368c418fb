import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { identityPath, readIdentity, type ServiceIdentityFile, writeIdentity } from './identity-file.ts'

let home: string
let path: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'redoubt-identity-'))
  path = identityPath(home, 'web')
  await mkdir(dirname(path), { recursive: true })
})
afterEach(() => rm(home, { recursive: true, force: true }))

const identity = (size: number): ServiceIdentityFile => ({
  format: 'redoubt.service-identity/v1',
  service: 'web',
  trustDomain: 'redoubt.internal',
  rootsPem: ['root'],
  keys: Array.from({ length: size }, (_, at) => ({
    version: at + 1,
    activeAt: new Date('2026-11-22T12:00:00Z'),
    endsAt: null,
    key: 'a2V5',
  })),
})

test('written by many at once it is one of them whole, with nothing beside it', async () => {
  await Promise.all(Array.from({ length: 20 }, (_, at) => writeIdentity(path, identity(at + 1))))
  expect((await readIdentity(home, 'web')).keys.length).toBeGreaterThan(0)
  expect(await readdir(dirname(path))).toEqual(['identity.json'])
})

test('goes into no file or link that somebody else put there before', async () => {
  const theirs = join(home, 'theirs')
  await writeFile(theirs, '')
  await chmod(theirs, 0o666)
  await symlink(theirs, `${path}.new`)
  await symlink(theirs, path)
  await writeIdentity(path, identity(1))
  expect(await readFile(theirs, 'utf8')).toBe('')
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect((await readIdentity(home, 'web')).keys).toHaveLength(1)
})
