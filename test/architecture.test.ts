import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { describe, expect, it, test } from 'vitest'

const root = join(import.meta.dirname, '..')
const packages = join(root, 'packages')

// docs/architecture.md. What each package may import of its siblings.
const mayImport: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  trust: ['@redoubt/contract'],
  server: ['@redoubt/trust', '@redoubt/contract'],
  runner: ['@redoubt/trust', '@redoubt/contract'],
  sdk: ['@redoubt/contract'],
  cli: ['@redoubt/server', '@redoubt/sdk', '@redoubt/trust', '@redoubt/contract'],
  console: ['@redoubt/trust/proof', '@redoubt/contract'],
}
/** The rooms of the server, and which others each may use. No module can reach the master key. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  platform: [],
  backup: ['platform'],
  keeper: ['platform', 'backup'],
  modules: ['platform'],
  services: ['platform', 'backup', 'keeper', 'modules'],
}
const ranking = [
  'tenancy',
  'keys',
  'secrets',
  'workloads',
  'identity',
  'access',
  'audit',
  'alerts',
  'cases',
  'playbooks',
]

type Import = { readonly file: string; readonly from: string }
function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && !/\.test\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}
function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8')
  const found = text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)
  return [...found].map((match) => ({ file, from: match[1] as string }))
}
const shown = ({ file, from }: Import) => `${relative(root, file)} imports ${from}`

describe.each(Object.keys(mayImport))('package %s', (name) => {
  const imports = sources(join(packages, name, 'src')).flatMap(importsOf)
  it('imports only the packages below it', () => {
    const wrong = imports.filter(
      ({ from }) =>
        from.startsWith('@redoubt/') &&
        !(mayImport[name] as readonly string[]).some((allowed) => from === allowed || from.startsWith(`${allowed}/`)),
    )
    expect(wrong.filter(({ from }) => !(name === 'cli' && from === '@redoubt/runner')).map(shown)).toEqual([])
  })
  it('reaches no other package by path', () => {
    const wrong = imports.filter(
      ({ file, from }) => from.startsWith('.') && !resolve(dirname(file), from).startsWith(join(packages, name) + sep),
    )
    expect(wrong.map(shown)).toEqual([])
  })
})

describe('the server', () => {
  const source = join(packages, 'server', 'src')
  const placed = sources(source).flatMap((file) =>
    importsOf(file)
      .filter(({ from }) => from.startsWith('.'))
      .map(({ from }) => ({
        file,
        from,
        here: relative(source, file).split(sep),
        there: relative(source, resolve(dirname(file), from)).split(sep),
      })),
  )

  it('has its rooms use only those below them', () => {
    const inRooms = placed.filter(({ here }) => here.length > 1)
    expect(new Set(inRooms.map(({ here }) => here[0]))).toEqual(new Set(Object.keys(rooms)))
    const wrong = inRooms.filter(
      ({ here, there }) => here[0] !== there[0] && !rooms[here[0] as string]?.includes(there[0] as string),
    )
    // The version is told by the package itself.
    expect(wrong.filter(({ from }) => !from.endsWith('/package.json')).map(shown)).toEqual([])
  })
  it('has its modules meet at their doors, and only downwards in the ranking', () => {
    const meetings = placed.filter(
      ({ here, there }) => there[0] === 'modules' && !(here[0] === 'modules' && here[1] === there[1]),
    )
    expect(meetings.length).toBeGreaterThan(10)
    expect(meetings.filter(({ there }) => there[2] !== 'index.ts').map(shown)).toEqual([])
    const upwards = meetings.filter(
      ({ here, there }) =>
        here[0] === 'modules' && ranking.indexOf(there[1] as string) >= ranking.indexOf(here[1] as string),
    )
    expect(upwards.map(shown)).toEqual([])
  })
  it('ranks every module', () => {
    expect(readdirSync(join(source, 'modules')).sort()).toEqual([...ranking].sort())
  })
})

test('the environment is read in one file of each program', () => {
  const readers = Object.keys(mayImport)
    .flatMap((name) => sources(join(packages, name, 'src')))
    .filter((file) => /process\.env\b(?!\['PATH'\])/.test(readFileSync(file, 'utf8')))
    .map((file) => relative(packages, file))
  expect(readers.sort()).toEqual(['cli/src/environment.ts', 'runner/src/config.ts', 'server/src/platform/config.ts'])
})

test('no file is a room for anything', () => {
  const names = Object.keys(mayImport).flatMap((name) => sources(join(packages, name, 'src')))
  expect(
    names
      .filter((file) => /(^|[/-])(utils?|helpers?|common|manager|base|misc)\.tsx?$/.test(file))
      // RFC 9421 §2.5 calls it the signature base.
      .filter((file) => !file.endsWith(join('trust', 'src', 'signature-base.ts')))
      .map((file) => relative(packages, file)),
  ).toEqual([])
})

test('nothing exports a default but what a tool asks for', () => {
  const wrong = Object.keys(mayImport)
    .flatMap((name) => sources(join(packages, name, 'src')))
    .filter((file) => /^export default/m.test(readFileSync(file, 'utf8')))
  expect(wrong.map((file) => relative(packages, file))).toEqual([])
})
