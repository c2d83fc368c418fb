import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createOpaqueToken, hashToken, matchesTokenHash, requireOpaqueToken } from './opaque-token.ts'
import { Secret } from './secret.ts'

const refusal = expect.objectContaining({ name: 'TrustError', code: 'opaque_token' })

describe('opaque tokens', () => {
  test('have a form that scanners find, are never the same, and pass their own check', () => {
    const tokens = Array.from({ length: 200 }, () => createOpaqueToken('src'))
    for (const token of tokens) {
      expect(token).toMatch(/^rdt_src_[0-9A-Za-z]{49}$/)
      requireOpaqueToken(token, 'src')
    }
    expect(new Set(tokens).size).toBe(tokens.length)
  })

  test('are refused with any character mistyped, cut off or added, and as another kind', () => {
    const token = createOpaqueToken('src')
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.constantFrom('0', 'z', '_', 'é', ''), (at, other) => {
        fc.pre(token[at] !== other)
        expect(() => requireOpaqueToken(token.slice(0, at) + other + token.slice(at + 1), 'src')).toThrow(refusal)
      }),
    )
    for (const wrong of ['', `${token}0`, ` ${token}`, `${token}\n`])
      expect(() => requireOpaqueToken(wrong, 'src')).toThrow(refusal)
    expect(() => requireOpaqueToken(token, 'ref')).toThrow(refusal)
    for (const kind of ['', 'a', 'A_b', '.*', 'a'.repeat(13)]) {
      expect(() => createOpaqueToken(kind)).toThrow(refusal)
      expect(() => requireOpaqueToken(token, kind)).toThrow(refusal)
    }
  })

  test('match the hash stored for them and no other', () => {
    const [token, other] = [createOpaqueToken('ref'), createOpaqueToken('ref')]
    expect(hashToken('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    expect(matchesTokenHash(token, hashToken(token))).toBe(true)
    expect(matchesTokenHash(other, hashToken(token))).toBe(false)
    for (const stored of ['', token, hashToken(token).toUpperCase(), hashToken(token).slice(1)])
      expect(matchesTokenHash(token, stored)).toBe(false)
  })
})

test('a secret shows itself to reveal() alone', () => {
  const secret = new Secret('hunter2')
  expect(secret.reveal()).toBe('hunter2')
  const shown = [
    String(secret),
    `${secret}`,
    'x'.concat(secret as unknown as string),
    JSON.stringify({ secret }),
    inspect(secret, { showHidden: true, depth: null }),
    inspect({ nested: [secret] }),
    inspect(new Error('failed', { cause: secret })),
    JSON.stringify({ ...secret }),
    JSON.stringify(structuredClone({ ...secret })),
    Object.values(secret).join(),
  ]
  for (const text of shown) expect(text).not.toContain('hunter2')
  expect(shown.slice(0, 2)).toEqual(['[secret]', '[secret]'])
})
