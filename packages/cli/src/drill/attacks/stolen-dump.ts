import {
  accountEmailOf,
  type EncryptedPlace,
  invitationEmailOf,
  sessionAddressOf,
  webhookSecretOf,
} from '@redoubt/server'
import { TrustError } from '@redoubt/trust'
import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { bodyOf, passed, refused } from '../http.ts'
import { bearer } from '../organization.ts'
import { spellingsOf, type WrappedKey } from '../sealed-data.ts'
import type { Parts, Terrain } from '../terrain.ts'

/* Somebody has every row, and may write them back; the keys stay with the keeper (KEY-1, KEY-2). */

const actor = 'stolen database dump'
const needs = ['sealed', 'keeperPort', 'people', 'ingestion'] as const
type Inside = Terrain & Pick<Parts, (typeof needs)[number]>
type Sealed = { readonly place: EncryptedPlace; readonly sealed: Buffer }

/** Looking through all rows for what must not stand there. */
const looking = (
  id: string,
  title: string,
  needle: (t: Inside) => readonly string[],
  opened: (t: Inside) => Promise<string>,
): AnyAttack =>
  attack({
    id: `dump.${id}`,
    actor,
    requirement: 'KEY-2',
    title: `find ${title} in a dump`,
    needs,
    async control(t) {
      const [first = ''] = needle(t)
      const value = await opened(t)
      if (value !== first) throw new NotShown('with the keys it does not open either')
      return 'with the keys it opens, from the same rows'
    },
    async attack(t) {
      const dump = await t.sealed.dump()
      // What is looked for is found where it is not sealed: the dump is whole.
      if (!dump.includes(t.a.secret)) throw new Error('the dump does not hold the rows of A')
      const found = needle(t)
        .flatMap(spellingsOf)
        .filter((text) => dump.includes(text))
      if (found.length > 0) return `${found.length} of them stand there`
      throw new Stopped(`in none of ${dump.length} letters, as text, hex or base64`)
    },
  })

/** A sealed value put where another one lies. */
const moved = (
  id: string,
  title: string,
  from: (t: Inside) => Promise<Sealed>,
  to: (t: Inside, from: Sealed) => Promise<EncryptedPlace>,
): AnyAttack =>
  attack({
    id: `dump.${id}`,
    actor,
    requirement: 'KEY-2',
    title,
    needs,
    async control(t) {
      const { place, sealed } = await from(t)
      return `at its own place it opens, with ${(await t.sealed.open(place, sealed)).length} letters`
    },
    async attack(t) {
      const source = await from(t)
      try {
        return `it opens there: ${(await t.sealed.open(await to(t, source), source.sealed)).length} letters`
      } catch (error) {
        if (error instanceof TrustError && error.code === 'sealed_data')
          throw new Stopped(`${error.code}: ${error.message}`)
        throw error
      }
    },
  })

/** A wrapped data key given to the keeper under another name, by a service that opens keys of both. */
const renamed = (
  id: string,
  title: string,
  rename: (t: Inside, key: WrappedKey) => WrappedKey,
  code = 'invalid',
): AnyAttack =>
  attack({
    id: `dump.${id}`,
    actor,
    requirement: 'KEY-1',
    title,
    needs,
    async control(t) {
      const key = await t.sealed.wrappedKey(t.a.id, 'integration')
      return passed(await t.keeperPort.ask(await t.keeperPort.taken('api'), 'data-key.open', key), 'as what it is')
    },
    async attack(t) {
      const key = rename(t, await t.sealed.wrappedKey(t.a.id, 'integration'))
      return refused(await t.keeperPort.ask(await t.keeperPort.taken('api'), 'data-key.open', key), code)
    },
  })

const ofAdmin = async ({ a, sealed }: Inside): Promise<Sealed> => ofUser(sealed, a.admin.userId)
async function ofUser(sealed: Inside['sealed'], userId: string): Promise<Sealed> {
  const [row] = await sealed.rows<{ email_sealed: Buffer }>(
    `select email_sealed from redoubt.users where id = '${userId}'`,
  )
  return { place: accountEmailOf(userId), sealed: given(row?.email_sealed) }
}
async function ofWebhook({ a, sealed }: Inside): Promise<Sealed> {
  const { id } = a.source
  const [row] = await sealed.rows<{ webhook_secret: Buffer }>(
    `select webhook_secret from redoubt.sources where id = '${id}'`,
  )
  return { place: webhookSecretOf(a.id, id), sealed: given(row?.webhook_secret) }
}
async function ofInvitation({ a, sealed }: Inside): Promise<Sealed> {
  const [row] = await sealed.rows<{ id: string; email_sealed: Buffer }>(
    `select id, email_sealed from redoubt.invitations where organization_id = '${a.id}' limit 1`,
  )
  return { place: invitationEmailOf(a.id, given(row).id), sealed: given(row).email_sealed }
}
async function ofSession({ a, sealed }: Inside): Promise<Sealed> {
  const [row] = await sealed.rows<{ id: string; ip_sealed: Buffer }>(
    `select id, ip_sealed from redoubt.sessions where user_id = '${a.admin.userId}' and ip_sealed is not null limit 1`,
  )
  return { place: sessionAddressOf(given(row).id), sealed: given(row).ip_sealed }
}
function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('there is no sealed value to take')
  return value
}

/** Invites one address into both organizations. @returns how its invitations can be found: the blind indexes */
async function indexesOf(t: Inside, organizations: readonly ('a' | 'b')[]): Promise<string[]> {
  const email = `same-${crypto.randomUUID()}@people.example`
  const indexes: string[] = []
  for (const which of organizations) {
    const { admin } = t[which]
    const invited = await t.api.post('/api/v1/invitations', { email, role: 'viewer' }, bearer(admin))
    const { id } = bodyOf<{ invitation: { id: string } }>(invited).invitation
    const [row] = await t.sealed.rows<{ index: string }>(
      `select encode(email_index, 'hex') as index from redoubt.invitations where id = '${id}'`,
    )
    indexes.push(given(row).index)
  }
  return indexes
}

export const stolenDumpAttacks: readonly AnyAttack[] = [
  looking(
    'addresses',
    'people’s e-mail addresses',
    ({ a, b, people }) =>
      [a.admin, b.admin, ...[people.moderator, people.user, people.viewer]].map(({ email }) => email),
    async (t) => {
      const { place, sealed } = await ofAdmin(t)
      return t.sealed.open(place, sealed)
    },
  ),
  looking(
    'webhook-secrets',
    'the secrets that sources sign with',
    ({ a, b }) => [a, b].map(({ source }) => source.webhookSecret),
    async (t) => {
      const { place, sealed } = await ofWebhook(t)
      return t.sealed.open(place, sealed)
    },
  ),
  moved('other-row', 'put A’s admin’s address into the row of another person', ofAdmin, async ({ b }) =>
    accountEmailOf(b.admin.userId),
  ),
  moved(
    'other-column',
    'put the address a session came from into the column of an e-mail address',
    ofSession,
    async ({ a }) => accountEmailOf(a.admin.userId),
  ),
  moved('other-organization', 'put an invitation of A into B', ofInvitation, async ({ b }, { place }) =>
    invitationEmailOf(b.id, place.row),
  ),
  moved('other-source', 'put the secret of A’s source into a source of B', ofWebhook, async ({ b }) =>
    webhookSecretOf(b.id, b.source.id),
  ),
  attack({
    id: 'dump.altered',
    actor,
    requirement: 'KEY-2',
    title: 'alter one bit of a sealed address',
    needs,
    async control(t) {
      const { place, sealed } = await ofAdmin(t)
      return `untouched it opens, with ${(await t.sealed.open(place, sealed)).length} letters`
    },
    async attack(t) {
      const { place, sealed } = await ofAdmin(t)
      const altered = Buffer.from(sealed)
      altered.writeUInt8((altered.at(-20) ?? 0) ^ 1, altered.length - 20)
      try {
        return `it opens: ${await t.sealed.open(place, altered)}`
      } catch (error) {
        if (error instanceof TrustError && error.code === 'sealed_data')
          throw new Stopped(`${error.code}: ${error.message}`)
        throw error
      }
    },
  }),
  attack({
    id: 'dump.moved-door',
    actor,
    requirement: 'KEY-2',
    title: 'write the sealed address of another person over A’s user’s, and read it through the api',
    needs,
    async control({ api, a, people }) {
      const { text } = await api.get('/api/v1/members', bearer(a.admin))
      if (!text.includes(people.user.email)) throw new NotShown('the list of members does not show addresses')
      return 'the list of members shows each person’s address'
    },
    async attack({ api, a, sealed, people, b }) {
      const own = await ofUser(sealed, people.user.userId)
      const others = await ofUser(sealed, b.admin.userId)
      const write = (value: Buffer) =>
        sealed.rows(
          `update redoubt.users set email_sealed = '\\x${value.toString('hex')}' where id = '${people.user.userId}'`,
        )
      await write(others.sealed)
      try {
        const answer = await api.get('/api/v1/members', bearer(a.admin))
        if (answer.text.includes(b.admin.email)) return `the list of A’s members shows the address of B’s admin`
        throw new Stopped(`${answer.status}, without the address`)
      } finally {
        await write(own.sealed)
      }
    },
  }),
  attack({
    id: 'dump.blind-index',
    actor,
    requirement: 'KEY-2',
    title: 'tell by their blind indexes that one address was invited to two organizations',
    needs,
    async control(t) {
      const [one, two] = await indexesOf(t, ['a', 'a'])
      if (one !== two) throw new NotShown('one address has two indexes within one organization')
      return 'within one organization the indexes of one address are the same'
    },
    async attack(t) {
      const [one, two] = await indexesOf(t, ['a', 'b'])
      if (one === two) return `both are ${one}`
      throw new Stopped('the indexes differ')
    },
  }),
  renamed('key-organization', 'have the keeper open A’s data key as B’s', ({ b }, key) => ({
    ...key,
    organizationId: b.id,
  })),
  renamed('key-class', 'have the keeper open a key for integrations as one for addresses', (_t, key) => ({
    ...key,
    dataClass: 'pii',
  })),
  renamed('key-version', 'have the keeper open a data key as its next version', (_t, key) => ({
    ...key,
    version: key.version + 1,
  })),
  renamed('key-altered', 'have the keeper open a data key with one bit altered', (_t, key) => {
    const wrapped = Buffer.from(key.wrapped, 'base64')
    wrapped.writeUInt8((wrapped.at(-1) ?? 0) ^ 1, wrapped.length - 1)
    return { ...key, wrapped: wrapped.toString('base64') }
  }),
  renamed('key-kek', 'name a key-encryption key that there is not', (_t, key) => ({ ...key, kek: 4000 }), 'not_found'),
]
