import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { contentDigest, parseContentDigest, verifyContentDigest } from './content-digest.ts'

const refused = expect.objectContaining({ name: 'TrustError', code: 'http_signature_digest' })
const hello = Buffer.from('{"hello": "world"}\n')
const sha256 = 'sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:'
const empty = 'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:'

describe('Content-Digest (RFC 9530)', () => {
  test.each([
    ['B.1, a whole representation', hello, sha256],
    ['B.2, no content', Buffer.alloc(0), empty],
    ['B.3, a part', Buffer.from('"world"}\n'), 'sha-256=:jjcgBDWNAtbYUXI37CVG3gRuGOAjaaDRGpIUFsdyepQ=:'],
    [
      'B.7, a posted title',
      Buffer.from('{"title": "New Title"}\n'),
      'sha-256=:mEkdbO7Srd9LIOegftO0aBX+VPTVz7/CSHes2Z27gc4=:',
    ],
  ])('gives and verifies the published digest of %s', (_name, body, field) => {
    expect(contentDigest(body)).toBe(field)
    expect(() => verifyContentDigest(field, body)).not.toThrow()
  })

  test('gives and verifies the sha-512 digest of RFC 9421 B.2, when that is what the verifier asks for', () => {
    const body = Buffer.from('{"hello": "world"}')
    const field = 'sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:'
    expect(contentDigest(body, 'sha-512')).toBe(field)
    expect(() => verifyContentDigest(field, body, 'sha-512')).not.toThrow()
    expect(() => verifyContentDigest(field, body)).toThrow(refused)
  })

  test('reads the two digests of RFC 9530 B.6, and does not let a message choose between them', () => {
    const body = Buffer.from('0b09807b2268656c6c6f223a2022776f726c64227d0a03', 'hex')
    const both =
      'sha-256=:d435Qo+nKZ+gLcUHn7GQtQ72hiBVAgqoLsZnZPiTGPk=:, sha-512=:db7fdBbgZMgX1Wb2MjA8zZj+rSNgfmDCEEXM8qLWfpfoNY0sCpHAzZbj09X1/7HAb7Od5Qfto4QpuBsFbUO3dQ==:'
    expect([...parseContentDigest(both).keys()]).toEqual(['sha-256', 'sha-512'])
    expect([contentDigest(body), contentDigest(body, 'sha-512')].join(', ')).toBe(both)
    expect(() => verifyContentDigest(both, body)).toThrow(refused)
  })

  test.each([
    ['nothing', ''],
    ['an unknown algorithm', 'md5=:1B2M2Y8AsgTpgAmY7PhCfg==:'],
    ['a name of every object', `toString=${sha256.slice(8)}`],
    ['an unknown algorithm beside the right one', `${sha256}, unixsum=:AAA=:`],
    ['the same algorithm twice', `${empty}, ${sha256}`],
    ['the padding that RFC 9530 B.5 prints', 'sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg==:'],
    ['loose bits at the end', 'sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDh=:'],
    ['no padding', 'sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg:'],
    ['a cut digest', 'sha-256=:RK/0qy18MlBSVnWgjwz6lQ==:'],
    ['a digest as a string', 'sha-256="RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="'],
    ['a digest in a list', `sha-256=(${sha256.slice(8)})`],
    ['a parameter', `${sha256};q=1`],
    ['an upper-case algorithm', sha256.replace('sha', 'SHA')],
    ['a leading blank', ` ${sha256}`],
    ['a trailing blank', `${sha256} `],
    ['a trailing comma', `${sha256},`],
    ['a line feed', `${sha256}\n`],
  ])('refuses %s', (_name, field) => {
    expect(() => parseContentDigest(field)).toThrow(refused)
    expect(() => verifyContentDigest(field, hello)).toThrow(refused)
  })

  test('any other body is refused, and any text as field is read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (body, other) => {
        fc.pre(Buffer.compare(body, other) !== 0)
        expect(() => verifyContentDigest(contentDigest(body), body)).not.toThrow()
        expect(() => verifyContentDigest(contentDigest(body), other)).toThrow(refused)
      }),
    )
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (field) => {
        expect(() => verifyContentDigest(field, hello)).toThrow(refused)
      }),
    )
  })
})
