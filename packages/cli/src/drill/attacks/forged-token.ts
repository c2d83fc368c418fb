import { randomUUID } from 'node:crypto'
import { generateSigningKey, signRunnerToken } from '@redoubt/trust'
import { type AnyAttack, attack } from '../attack.ts'
import {
  type Claims,
  claimsOf,
  es256,
  fresh,
  headerOf,
  hmacWithPublicKey,
  publicHalf,
  unsigned,
  withClaims,
} from '../forge.ts'
import { passed, refused } from '../http.ts'
import { bearer } from '../organization.ts'
import type { Parts, Terrain } from '../terrain.ts'

const actor = 'forged token'
const requirement = 'SESS-3'

type Signed = Terrain & Pick<Parts, 'keys'>
const me = (api: Terrain['api'], access: string) => api.get('/api/v1/auth/me', bearer({ access }))
const stranger = generateSigningKey('ES256')

/** A's admin, as the token of an attacker would have it: good claims for now. */
const claims = ({ a }: Terrain, change: Claims = {}): Claims => ({
  ...claimsOf(a.admin.access),
  ...fresh(900),
  ...change,
})
const header = ({ a }: Terrain, change: Claims = {}): Claims => ({ ...headerOf(a.admin.access), ...change })
const ownKey = ({ keys }: Signed) => keys.access

/** The control of a forged claim: the very same claims, but for that one, signed with the installation's key. */
const rightlySigned = async (terrain: Signed): Promise<string> =>
  passed(
    await me(terrain.api, es256(header(terrain), claims(terrain), ownKey(terrain))),
    'with the same claims, true and rightly signed',
  )
const genuine = async ({ api, a }: Terrain): Promise<string> =>
  passed(await me(api, a.admin.access), 'with the genuine token')

/** A token signed with the installation's own key, wrong in one claim: as if another of its doors had given it out. */
const misfit = (
  id: string,
  title: string,
  wrong: (terrain: Signed) => { header?: Claims; claims?: Claims },
): AnyAttack =>
  attack({
    id: `token.${id}`,
    actor,
    requirement,
    title,
    needs: ['keys'],
    control: rightlySigned,
    async attack(terrain) {
      const { header: head = {}, claims: body = {} } = wrong(terrain)
      const token = es256(header(terrain, head), claims(terrain, body), ownKey(terrain))
      return refused(await me(terrain.api, token), 'unauthenticated')
    },
  })

/** A token made without the installation's key. */
const forgery = (id: string, title: string, make: (terrain: Terrain) => Promise<string> | string): AnyAttack =>
  attack({
    id: `token.${id}`,
    actor,
    requirement,
    title,
    control: genuine,
    attack: async (terrain) => refused(await me(terrain.api, await make(terrain)), 'unauthenticated'),
  })

export const forgedTokenAttacks: readonly AnyAttack[] = [
  forgery('alg-none', 'an access token that says alg none', (t) => unsigned(header(t), claims(t))),
  attack({
    id: 'token.hmac-public-key',
    actor,
    requirement,
    title: 'an access token under HS256 with the public key as its secret',
    needs: ['keys'],
    control: rightlySigned,
    attack: async (t) =>
      refused(
        await me(t.api, hmacWithPublicKey(header(t), claims(t), publicHalf(t.keys.access.jwk))),
        'unauthenticated',
      ),
  }),
  forgery('own-key', 'an access token signed with a key of the attacker’s', (t) =>
    es256(header(t, { kid: stranger.kid }), claims(t), stranger),
  ),
  forgery('borrowed-kid', 'the same, naming the installation’s key', (t) => es256(header(t), claims(t), stranger)),
  forgery('embedded-key', 'an access token that brings its own key along (jwk)', (t) =>
    es256(header(t, { kid: stranger.kid, jwk: stranger.jwk }), claims(t), stranger),
  ),
  forgery('key-url', 'an access token that says where to fetch its key (jku)', (t) =>
    es256(header(t, { kid: stranger.kid, jku: 'http://127.0.0.1:9/jwks.json' }), claims(t), stranger),
  ),
  forgery('kid-path', 'a key id that is a path to an empty file', (t) =>
    es256(header(t, { kid: '../../../../dev/null' }), claims(t), stranger),
  ),
  forgery('other-claims', 'a genuine token with another person’s claims under its signature', ({ a, b }) =>
    withClaims(b.admin.access, { sub: a.admin.userId, org: a.id, sid: claimsOf(a.admin.access)['sid'] }),
  ),
  misfit('issuer', 'a token of another installation', () => ({ claims: { iss: 'https://elsewhere.example' } })),
  misfit('audience', 'a token for another audience', () => ({ claims: { aud: 'somebody-else' } })),
  misfit('expired', 'a token that expired a second ago', () => ({ claims: fresh(900, Date.now() - 901_000) })),
  misfit('future', 'a token from tomorrow', () => ({ claims: fresh(900, Date.now() + 86_400_000) })),
  misfit('type', 'a token of another type, signed with the same key', () => ({ header: { typ: 'JWT' } })),
  misfit('foreign-session', 'a token for A’s person on the session of another', ({ b }) => ({
    claims: { sid: claimsOf(b.admin.access)['sid'] },
  })),
  misfit('no-session', 'a token on a session that never was', () => ({ claims: { sid: randomUUID() } })),
  attack({
    id: 'token.plan-as-access',
    actor,
    requirement,
    title: 'a plan’s token, signed with the plan key, as an access token',
    needs: ['keys'],
    control: rightlySigned,
    async attack(t) {
      const key = t.keys.plan
      const token = es256(
        { typ: 'redoubt-plan+jwt', kid: key.kid },
        { ...claims(t), plan_sha256: '0'.repeat(64), run: randomUUID() },
        key,
      )
      return refused(await me(t.api, token), 'unauthenticated')
    },
  }),
  attack({
    id: 'token.runner-as-access',
    actor,
    requirement,
    title: 'a runner’s token as an access token',
    needs: ['runnerKeys'],
    control: genuine,
    async attack({ api, b, runnerKeys }) {
      const { id, key } = runnerKeys.b
      const grant = {
        runnerId: id,
        organizationId: b.id,
        tokenId: randomUUID(),
        body: new Uint8Array(),
        now: new Date(),
      }
      return refused(await me(api, signRunnerToken(grant, key)), 'unauthenticated')
    },
  }),
]
