import { createHmac, randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { jwtVerify, SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { type AccessGrant, signAccessToken, verifyAccessToken } from './access-token.ts'
import { canonicalSha256 } from './canonical-json.ts'
import { readKeyId } from './compact-jws.ts'
import { signPlan, verifyPlan } from './plan-token.ts'
import { signRunnerToken, verifyRunnerToken } from './runner-token.ts'
import { generateSigningKey, importJwks, Keyring, type KeySet } from './signing-key.ts'
import type { TrustErrorCode } from './trust-error.ts'

const key = generateSigningKey('ES256')
const stranger = generateSigningKey('ES256')
const keys = new Keyring(key)
const issuer = 'https://redoubt.example'
const [userId, sessionId, organizationId, tokenId, runnerId, planId, runId] = Array.from({ length: 7 }, () =>
  randomUUID(),
) as [string, string, string, string, string, string, string]
const now = new Date('2026-03-01T12:00:00Z')
const after = (seconds: number) => new Date(now.getTime() + seconds * 1000)
const refusal = (code: TrustErrorCode) => expect.objectContaining({ name: 'TrustError', code })

const grant: AccessGrant = { issuer, audience: 'redoubt', userId, sessionId, organizationId, tokenId, now }
const expected = { issuer, audience: 'redoubt', now }
const access = signAccessToken(grant, key)

const plan = { format: 'redoubt.plan/v1', steps: [{ id: 'block', type: 'http.request' }], note: 'é' }
const planGrant = { issuer, organizationId, runnerId, planId, runId, now, key }
const planExpected = { issuer, organizationId, runnerId, now, keys }
const planToken = signPlan(plan, planGrant)

const body = Buffer.from('{"status":"succeeded"}')
const runnerGrant = { runnerId, organizationId, tokenId, body, now }
const runnerExpected = { runnerId, organizationId, body, now, keys }
const runnerToken = signRunnerToken(runnerGrant, key)

type Kind = {
  name: string
  typ: string
  token: string
  lifetime: number
  verify: (token: string, at?: Date, keySet?: KeySet) => unknown
}
const kinds: Kind[] = [
  {
    name: 'access token',
    typ: 'at+jwt',
    token: access,
    lifetime: 900,
    verify: (token, at = now, keySet: KeySet = keys) => verifyAccessToken(token, keySet, { ...expected, now: at }),
  },
  {
    name: 'plan token',
    typ: 'redoubt-plan+jwt',
    token: planToken,
    lifetime: 300,
    verify: (token, at = now, keySet: KeySet = keys) =>
      verifyPlan(token, plan, { ...planExpected, now: at, keys: keySet }),
  },
  {
    name: 'runner token',
    typ: 'redoubt-runner+jwt',
    token: runnerToken,
    lifetime: 60,
    verify: (token, at = now, keySet: KeySet = keys) =>
      verifyRunnerToken(token, { ...runnerExpected, now: at, keys: keySet }),
  },
]
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
/** The claims under a true signature, but with another header or other claims. */
const resign = (token: string, header: object, change: object = {}) =>
  new SignJWT({ ...claimsOf(token), ...change })
    .setProtectedHeader({ alg: 'ES256', kid: key.kid, ...header })
    .sign(key.privateKey)

describe.each(kinds)('every $name', ({ typ, token, lifetime, verify }) => {
  test('is a JWT that another implementation verifies', async () => {
    const { protectedHeader } = await jwtVerify(token, key.publicKey, { typ, algorithms: ['ES256'], currentDate: now })
    expect(protectedHeader).toEqual({ alg: 'ES256', typ, kid: key.kid })
    expect(readKeyId(token)).toBe(key.kid)
  })

  test('verifies, also when another implementation signed it, and by a published key set', async () => {
    expect(verify(token)).toBeTruthy()
    expect(verify(await resign(token, { typ }))).toEqual(verify(token))
    expect(verify(token, now, importJwks(keys.jwks()))).toEqual(verify(token))
  })

  test('is refused as any other kind', () => {
    for (const other of kinds.filter((kind) => kind.typ !== typ))
      expect(() => verify(other.token)).toThrow(refusal('token_type'))
  })

  test('lives exactly as long as it says', () => {
    const { iat, exp } = claimsOf(token)
    expect(exp - iat).toBe(lifetime)
    expect(verify(token, after(lifetime - 0.001))).toBeTruthy()
    expect(() => verify(token, after(lifetime))).toThrow(refusal('token_expired'))
    expect(() => verify(token, after(-31))).toThrow(refusal('token_not_yet_valid'))
    expect(() => verify(token, new Date(Number.NaN))).toThrow(refusal('token_expired'))
  })

  test('is refused with a key that is not known, or a known name over another key', async () => {
    expect(() => verify(token, now, new Keyring(stranger))).toThrow(refusal('token_key_unknown'))
    const signed = await new SignJWT(claimsOf(token))
      .setProtectedHeader({ alg: 'ES256', typ, kid: key.kid })
      .sign(stranger.privateKey)
    expect(() => verify(signed)).toThrow(refusal('token_signature'))
  })

  test('is refused under every other algorithm, the public key as HMAC secret among them', () => {
    const [, claims] = token.split('.')
    const secret = key.publicKey.export({ type: 'spki', format: 'pem' })
    for (const alg of ['none', 'None', '', 'HS256', 'RS256', 'ES384', 'EdDSA', undefined, null, ['ES256']]) {
      const signed = `${part({ alg, typ, kid: key.kid })}.${claims}`
      const mac = createHmac('sha256', secret).update(signed).digest('base64url')
      for (const tail of ['', mac, token.split('.')[2]])
        expect(() => verify(`${signed}.${tail}`)).toThrow(refusal('token_algorithm'))
    }
  })

  test('is refused when it brings its own key or changes the rules', async () => {
    for (const extra of [{ jwk: stranger.jwk }, { jku: 'https://evil.example' }, { x5c: ['AA'] }, { cty: 'JWT' }])
      await expect(resign(token, { typ, ...extra }).then((signed) => verify(signed))).rejects.toThrow(
        refusal('token_malformed'),
      )
    const [, claims, signature] = token.split('.')
    for (const extra of [{ crit: ['b64'], b64: false }, { crit: [] }])
      expect(() => verify(`${part({ alg: 'ES256', typ, kid: key.kid, ...extra })}.${claims}.${signature}`)).toThrow(
        refusal('token_malformed'),
      )
  })

  test('is refused without a claim, and with a claim of another form', async () => {
    for (const claim of Object.keys(claimsOf(token)))
      for (const value of [undefined, null, '', {}, ['x'], -1, 1e300])
        await expect(
          resign(token, { typ }, { [claim]: value }).then((signed) => verify(signed)),
          `${claim}=${value}`,
        ).rejects.toThrow(refusal('token_claims'))
  })

  test('is refused with any character altered, removed or added', () => {
    fc.assert(
      fc.property(
        fc.nat(token.length - 1),
        fc.constantFrom('A', 'B', '_', '.', '=', ' ', '\n', 'é', ''),
        (at, other) => {
          fc.pre(token[at] !== other)
          fc.pre(token[at] !== other)
          const altered = [
            token.slice(0, at) + other + token.slice(at + 1),
            token.slice(0, at) + other + token.slice(at),
          ]
          for (const form of altered.filter((text) => text !== token))
            expect(() => verify(form)).toThrow(expect.objectContaining({ name: 'TrustError' }))
        },
      ),
      { numRuns: 500 },
    )
  })

  test('is refused in every other form', () => {
    for (const form of [
      '',
      '.',
      '..',
      '...',
      token.slice(0, -1),
      `${token}.`,
      `${token}=`,
      ` ${token}`,
      `${token}\n`,
      'a.b.c',
    ])
      expect(() => verify(form), form).toThrow(refusal('token_malformed'))
    expect(() => verify('x'.repeat(8193))).toThrow(refusal('token_too_large'))
  })
})

describe('access tokens', () => {
  test('carry identifiers and nothing else', () => {
    expect(verifyAccessToken(access, keys, expected)).toEqual({
      iss: issuer,
      aud: 'redoubt',
      sub: userId,
      sid: sessionId,
      org: organizationId,
      iat: now.getTime() / 1000,
      exp: now.getTime() / 1000 + 900,
      jti: tokenId,
    })
  })

  test('cannot carry an e-mail address where an identifier belongs', () => {
    for (const field of ['userId', 'sessionId', 'organizationId', 'tokenId'])
      expect(() => signAccessToken({ ...grant, [field]: 'person@example.com' }, key)).toThrow(refusal('token_claims'))
  })

  test('are refused by another issuer and another audience', () => {
    expect(() => verifyAccessToken(access, keys, { ...expected, issuer: 'https://other.example' })).toThrow(
      refusal('token_issuer'),
    )
    expect(() => verifyAccessToken(access, keys, { ...expected, audience: 'other' })).toThrow(refusal('token_audience'))
  })

  test('honour nbf, and a tolerance where one is given', async () => {
    const later = await resign(access, { typ: 'at+jwt' }, { nbf: now.getTime() / 1000 + 10 })
    expect(() => verifyAccessToken(later, keys, expected)).toThrow(refusal('token_not_yet_valid'))
    expect(verifyAccessToken(later, keys, { ...expected, toleranceSeconds: 10 })).toBeTruthy()
    expect(verifyAccessToken(access, keys, { ...expected, now: after(904), toleranceSeconds: 5 })).toBeTruthy()
    expect(() => verifyAccessToken(access, keys, { ...expected, now: after(905), toleranceSeconds: 5 })).toThrow(
      refusal('token_expired'),
    )
  })

  test('pass over claims of a newer version', async () => {
    const newer = await resign(access, { typ: 'at+jwt' }, { acr: 'aal2' })
    expect(verifyAccessToken(newer, keys, expected)).not.toHaveProperty('acr')
  })

  test('are signed with ES256 keys alone and never grow past 8 KB', () => {
    expect(() => signAccessToken(grant, generateSigningKey('Ed25519'))).toThrow(refusal('key_invalid'))
    expect(access.length).toBeLessThan(1024)
    expect(() => signAccessToken({ ...grant, issuer: 'x'.repeat(501) }, key)).toThrow(refusal('token_claims'))
  })

  test('do not verify by an Ed25519 key', () => {
    const other = generateSigningKey('Ed25519')
    expect(() => verifyAccessToken(access, { find: () => other }, expected)).toThrow(refusal('token_algorithm'))
  })
})

describe('plan tokens', () => {
  test('say which plan, run and hash they are for', () => {
    expect(verifyPlan(planToken, plan, planExpected)).toEqual({
      planId,
      runId,
      planSha256: canonicalSha256(plan),
      expiresAt: after(300),
    })
  })

  test('hold for the same plan written in another order, and for no other plan', () => {
    expect(verifyPlan(planToken, { note: 'é', steps: plan.steps, format: plan.format }, planExpected)).toBeTruthy()
    const others = [{ ...plan, note: 'e' }, { ...plan, more: null }, { ...plan, steps: [] }, [plan], null, 'plan', {}]
    for (const other of others) expect(() => verifyPlan(planToken, other, planExpected)).toThrow(refusal('plan_hash'))
    expect(() => verifyPlan(planToken, undefined, planExpected)).toThrow(refusal('canonical_json'))
  })

  test('are refused by another control plane, tenant or runner', () => {
    const other = randomUUID()
    expect(() => verifyPlan(planToken, plan, { ...planExpected, issuer: 'https://other.example' })).toThrow(
      refusal('token_issuer'),
    )
    expect(() => verifyPlan(planToken, plan, { ...planExpected, organizationId: other })).toThrow(
      refusal('token_subject'),
    )
    expect(() => verifyPlan(planToken, plan, { ...planExpected, runnerId: other })).toThrow(refusal('token_audience'))
  })

  test('are refused when they live longer than five minutes, or carry a claim the runner does not know', async () => {
    const typ = 'redoubt-plan+jwt'
    const { iat } = claimsOf(planToken)
    expect(() => signPlan(plan, { ...planGrant, lifetimeSeconds: 301 })).toThrow(refusal('token_lifetime'))
    for (const exp of [iat + 301, iat]) {
      const signed = await resign(planToken, { typ }, { exp, iat: exp === iat ? iat + 10 : iat })
      expect(() => verifyPlan(signed, plan, { ...planExpected, now: after(-1) })).toThrow(refusal('token_lifetime'))
    }
    const narrowed = await resign(planToken, { typ }, { only: 'read' })
    expect(() => verifyPlan(narrowed, plan, planExpected)).toThrow(refusal('token_claims'))
  })
})

describe('runner tokens', () => {
  test('say which runner and which request they are for', () => {
    expect(verifyRunnerToken(runnerToken, runnerExpected)).toEqual({
      runnerId,
      organizationId,
      tokenId,
      expiresAt: after(60),
    })
  })

  test('are refused before another body, in another runner’s name, and in another tenant', () => {
    const other = randomUUID()
    for (const altered of [Buffer.from('{}'), Buffer.alloc(0), Buffer.concat([body, Buffer.of(10)])])
      expect(() => verifyRunnerToken(runnerToken, { ...runnerExpected, body: altered })).toThrow(
        refusal('request_body'),
      )
    expect(() => verifyRunnerToken(runnerToken, { ...runnerExpected, runnerId: other })).toThrow(
      refusal('token_issuer'),
    )
    expect(() => verifyRunnerToken(runnerToken, { ...runnerExpected, organizationId: other })).toThrow(
      refusal('token_subject'),
    )
  })
})
