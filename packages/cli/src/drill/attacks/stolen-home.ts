import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { inspect } from 'node:util'
import { identityPath, readIdentity } from '@redoubt/server'
import { formatRecoveryKey, parseRecoveryKey } from '@redoubt/trust'
import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { byPassphrase, byShares, isRefusal, type StolenHome, sealedPath, sharing } from '../stolen-home.ts'
import type { Parts, Terrain } from '../terrain.ts'

/* Somebody has the home folder, or parts of it (SEC-1, SEC-4, KEY-1). */

const actor = 'stolen home folder'
const needs = ['stolenHome', 'keeperPort'] as const
type Thief = Terrain & Pick<Parts, (typeof needs)[number]>
type Reading = (home: StolenHome) => Promise<string>

const stealing = (id: string, requirement: string, title: string, control: Reading, opened: Reading): AnyAttack =>
  attack({
    id: `home.${id}`,
    actor,
    requirement,
    title,
    needs,
    control: async ({ stolenHome }) => {
      await control(stolenHome)
      return 'rightly it opens'
    },
    attack: ({ stolenHome }) => metWith(() => opened(stolenHome)),
  })

async function metWith(work: () => Promise<string>): Promise<string> {
  try {
    await work()
    return 'it opens'
  } catch (error) {
    if (isRefusal(error)) throw new Stopped(`${error.code ?? 'refused'}: ${error.message}`)
    throw error
  }
}

const withPassphrase: Reading = async (home) => {
  const sealed = await home.sealedBy('passphrase')
  return home.read(sealed.home, sealedPath, byPassphrase(sealed.passphrase))
}
const withShares: Reading = async (home) => {
  const sealed = await home.sealedBy('shares')
  return home.read(sealed.home, sealedPath, byShares(sealed.shares.slice(0, sharing.threshold)))
}
const untouched: Reading = async (home) => home.read(await home.copyOf(), 'iam/access-key')

type Json = Record<string, unknown>
/** A copy of the home with one of its files altered. */
async function alteredCopy(home: StolenHome, name: string, alter: (file: Json) => void | Promise<void>, of?: string) {
  const copy = await home.copyOf(of)
  const path = join(copy, 'keys', name)
  const file = JSON.parse(await readFile(path, 'utf8')) as Json
  await alter(file)
  await writeFile(path, JSON.stringify(file), { mode: 0o600 })
  return copy
}
const entriesOf = (file: Json) => file['entries'] as Record<string, Json>

/** An identity file put where a service looks for it. */
async function identityIn(t: Thief, put: (text: Json) => Json, mode = 0o600): Promise<string> {
  const home = await t.stolenHome.folder()
  const path = identityPath(home, 'web')
  await mkdir(dirname(path), { recursive: true })
  const identity = await t.keeperPort.identityOf('ingestion')
  await writeFile(path, JSON.stringify(put(JSON.parse(JSON.stringify(identity)) as Json)))
  await chmod(path, mode)
  return (await readIdentity(home, 'web')).service
}
const asWeb = (file: Json): Json => ({ ...file, service: 'web' })
const readAsWeb = async (t: Thief): Promise<string> => `a file of its own is taken by ${await identityIn(t, asWeb)}`

async function masterKeyText(home: StolenHome): Promise<string> {
  const file = JSON.parse(await readFile(join(home.path, 'keys', 'master.json'), 'utf8')) as {
    protection: { key: string }
  }
  return file.protection.key
}

/** Whether eight letters of the key in a row stand in an error or in what caused it. */
function quotes(error: unknown, key: string): boolean {
  const text = inspect(error, { depth: 10, showHidden: true })
  return Array.from({ length: key.length - 8 }, (_, at) => key.slice(at, at + 8)).some((part) => text.includes(part))
}

/** Files whose key lost the quotation mark before it, each read by whoever reads it; what was thrown. */
async function damagedFiles(t: Thief): Promise<{ name: string; key: string; error: Error }[]> {
  const { stolenHome, keeperPort } = t
  const met: { name: string; key: string; error: Error }[] = []
  const reading = async (name: string, key: string, read: () => unknown) => {
    const error = await Promise.resolve()
      .then(read)
      .then(
        () => new Error('it was read all the same'),
        (thrown: Error) => thrown,
      )
    met.push({ name, key, error })
  }
  const damaged = (text: string, key: string) => text.replace(`"${key}"`, `${key}"`)
  const copy = await stolenHome.copyOf()
  const master = join(copy, 'keys', 'master.json')
  const masterKey = await masterKeyText(stolenHome)
  await writeFile(master, damaged(await readFile(master, 'utf8'), masterKey), { mode: 0o600 })
  await reading('master.json', masterKey, () => stolenHome.read(copy, 'iam/access-key'))
  const identity = asWeb(JSON.parse(JSON.stringify(await keeperPort.identityOf('web'))) as Json)
  const [{ key: serviceKey }] = identity['keys'] as [{ key: string }]
  const path = identityPath(copy, 'web')
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, damaged(JSON.stringify(identity), serviceKey), { mode: 0o600 })
  await reading('identity.json', serviceKey, () => readIdentity(copy, 'web'))
  const { key: backup } = await stolenHome.backups()
  const recoveryKey = backup.key.reveal().toString('base64')
  await reading('recovery.json', recoveryKey, () => parseRecoveryKey(damaged(formatRecoveryKey(backup), recoveryKey)))
  return met
}

export const stolenHomeAttacks: readonly AnyAttack[] = [
  stealing('no-passphrase', 'SEC-4', 'open a home that a passphrase seals, without it', withPassphrase, async (home) =>
    home.read((await home.sealedBy('passphrase')).home, sealedPath),
  ),
  stealing('wrong-passphrase', 'SEC-4', 'open it with another passphrase', withPassphrase, async (home) => {
    const sealed = await home.sealedBy('passphrase')
    return home.read(sealed.home, sealedPath, byPassphrase(`${sealed.passphrase}.`))
  }),
  stealing('declared-open', 'SEC-4', 'declare a sealed master key to lie open', withPassphrase, async (home) => {
    const { home: sealed } = await home.sealedBy('passphrase')
    const forged = { kind: 'plain', key: Buffer.alloc(32).toString('base64') }
    const copy = await alteredCopy(
      home,
      'master.json',
      (file) => void Object.assign(file, { protection: forged }),
      sealed,
    )
    return home.read(copy, sealedPath)
  }),
  stealing(
    'too-few-shares',
    'SEC-4',
    `open a home with ${sharing.threshold - 1} of the ${sharing.threshold} shares it needs`,
    withShares,
    async (home) => {
      const sealed = await home.sealedBy('shares')
      return home.read(sealed.home, sealedPath, byShares(sealed.shares.slice(0, sharing.threshold - 1)))
    },
  ),
  stealing('one-share-twice', 'SEC-4', 'give one share twice', withShares, async (home) => {
    const { home: sealed, shares } = await home.sealedBy('shares')
    const [one = '', other = ''] = shares
    return home.read(sealed, sealedPath, byShares([one, other, one]))
  }),
  stealing('earlier-shares', 'SEC-4', 'use shares that were given out before these', withShares, async (home) => {
    const sealed = await home.sealedBy('shares')
    return home.read(sealed.home, sealedPath, byShares(sealed.earlier.slice(0, sharing.threshold)))
  }),
  stealing('mixed-shares', 'SEC-4', 'mix shares of two sets', withShares, async (home) => {
    const { home: sealed, shares, earlier } = await home.sealedBy('shares')
    return home.read(sealed, sealedPath, byShares([...shares.slice(0, sharing.threshold - 1), earlier[4] ?? '']))
  }),
  stealing('other-keks', 'KEY-1', 'bring key-encryption keys of another installation', untouched, async (home) => {
    const copy = await home.copyOf()
    const other = join(await home.another(), 'keys')
    await writeFile(join(copy, 'keys', 'keks.json'), await readFile(join(other, 'keks.json')), { mode: 0o600 })
    return home.read(copy, 'iam/access-key')
  }),
  stealing(
    'other-keys',
    'KEY-1',
    'open its secrets with master key and KEKs of another installation',
    untouched,
    async (home) => {
      const copy = await home.copyOf()
      const other = join(await home.another(), 'keys')
      for (const name of ['keks.json', 'master.json'])
        await writeFile(join(copy, 'keys', name), await readFile(join(other, name)), { mode: 0o600 })
      return home.read(copy, 'iam/access-key')
    },
  ),
  stealing('swapped', 'SEC-1', 'exchange two secrets: a service’s for one of the keeper’s', untouched, async (home) => {
    const copy = await alteredCopy(home, 'secrets.json', (file) => {
      const entries = entriesOf(file)
      const [own, kept] = ['database/ingestion/password', 'database/embedded/superuser'] as const
      ;[entries[own], entries[kept]] = [entries[kept] as Json, entries[own] as Json]
    })
    return home.read(copy, 'database/ingestion/password')
  }),
  stealing('altered-secret', 'SEC-1', 'alter a sealed secret', untouched, async (home) => {
    const copy = await alteredCopy(home, 'secrets.json', (file) => {
      const entry = entriesOf(file)['iam/access-key'] as Json
      const bytes = Buffer.from(String(entry['sealed']), 'base64')
      bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1)
      entry['sealed'] = bytes.toString('base64')
    })
    return home.read(copy, 'iam/access-key')
  }),
  attack({
    id: 'home.identity-of-another',
    actor,
    requirement: 'SVC-2',
    title: 'start web with the identity file of ingestion',
    needs,
    control: readAsWeb,
    attack: (t) => metWith(() => identityIn(t, (file) => file)),
  }),
  attack({
    id: 'home.identity-open',
    actor,
    requirement: 'SVC-2',
    title: 'leave an identity file for everybody to read',
    needs,
    control: readAsWeb,
    attack: (t) => metWith(() => identityIn(t, asWeb, 0o644)),
  }),
  attack({
    id: 'home.error-texts',
    actor,
    requirement: 'KEY-1',
    title: 'have an error message quote a key, from a file that was damaged for it',
    needs,
    async control({ stolenHome }) {
      const key = await masterKeyText(stolenHome)
      if (!quotes(new Error(`Unexpected token in ..."key":${key.slice(0, 12)}"...`), key)) throw new NotShown('unseen')
      return 'a parser’s own message, which quotes a few letters, is found'
    },
    async attack(t) {
      const met = await damagedFiles(t)
      const quoting = met.filter(({ error, key }) => quotes(error, key))
      if (quoting.length > 0) return quoting.map(({ name, error }) => `${name}: ${error.message}`).join('; ')
      throw new Stopped(met.map(({ name, error }) => `${name}: ${error.name}`).join(', '))
    },
  }),
  attack({
    id: 'home.without-keys',
    actor,
    requirement: 'SEC-1',
    title: 'find a secret in all the rest of the home: database files, logs, write-ahead log',
    needs: [...needs, 'sealed', 'people'],
    async control({ stolenHome }) {
      const [first] = await stolenHome.secrets()
      if (first === undefined) throw new NotShown('there is no secret to look for')
      return 'with the folder keys/ it opens'
    },
    async attack(t) {
      await t.sealed.rows('checkpoint')
      const people = [t.a.admin, t.b.admin, t.people.user, t.people.viewer]
      const wanted = [
        ...(await t.stolenHome.secrets()),
        ...people.flatMap(({ email, password, refresh }) => [email, password, refresh]),
        t.a.source.webhookSecret,
        t.a.source.token,
      ]
      const { read, found } = await t.stolenHome.searched(wanted)
      if (found.length > 0) return `in ${found.join(', ')}`
      throw new Stopped(`in none of ${read} files`)
    },
  }),
]
