import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { contentDigest } from '../src/content-digest.ts'
import { MemoryNonces } from '../src/nonce-store.ts'
import { Secret } from '../src/secret.ts'
import type { ServiceRequest } from '../src/service-request.ts'
import type { TrustErrorCode } from '../src/trust-error.ts'
import {
  body,
  type Change,
  covered,
  created,
  fields,
  input,
  mac,
  message,
  nonce,
  parameter,
  params,
  refusal,
  sent,
  signed,
  signedAs,
  verify,
  withDigest,
} from './service-request-fixture.ts'

describe('a hostile request to a service', () => {
  test.each<[string, TrustErrorCode, () => ServiceRequest, Change?]>([
    // Fields that are missing, doubled or not of their form.
    ['no signature-input', 'http_signature_malformed', () => sent({ 'signature-input': undefined })],
    ['no signature', 'http_signature_malformed', () => sent({ signature: undefined })],
    ['no content-digest', 'http_signature_malformed', () => sent({ 'content-digest': undefined })],
    ['an empty signature-input', 'http_signature_malformed', () => sent({ 'signature-input': '' })],
    ['an empty signature', 'http_signature_malformed', () => sent({ signature: '' })],
    ['signature-input in two lines', 'http_signature_malformed', () => sent({ 'signature-input': [input, input] })],
    ['signature-input as a list of one', 'http_signature_malformed', () => sent({ 'signature-input': [input] })],
    ['signature in two lines', 'http_signature_malformed', () => sent({ signature: [mac, mac] })],
    [
      'content-digest in two lines',
      'http_signature_malformed',
      () => sent({ 'content-digest': [fields['content-digest']] }),
    ],
    [
      'the same signature-input twice, joined',
      'http_signature_malformed',
      () => sent({ 'signature-input': `${input}, ${input}` }),
    ],
    ['the same signature twice, joined', 'http_signature_malformed', () => sent({ signature: `${mac}, ${mac}` })],
    [
      'only upper-case header names',
      'http_signature_malformed',
      () => ({
        ...message,
        headers: Object.fromEntries(Object.entries(fields).map(([name, value]) => [name.toUpperCase(), value])),
      }),
    ],
    [
      'a signature-input too long to parse',
      'http_signature_malformed',
      () => sent({ 'signature-input': `${input};a="${'x'.repeat(500)}"` }),
    ],
    // More or other signatures than the one.
    [
      'a broken signature before the true one',
      'http_signature_malformed',
      () => sent({ 'signature-input': `a=("@method");created=1;keyid="a/1", ${input}`, signature: `a=:AAAA:, ${mac}` }),
    ],
    [
      'a broken signature after the true one',
      'http_signature_malformed',
      () => sent({ 'signature-input': `${input}, a=("@method");created=1;keyid="a/1"`, signature: `${mac}, a=:AAAA:` }),
    ],
    ['a second signature without input', 'http_signature_malformed', () => sent({ signature: `${mac}, a=:AAAA:` })],
    [
      'a second input without signature',
      'http_signature_malformed',
      () => sent({ 'signature-input': `${input}, a=()` }),
    ],
    [
      'another label',
      'http_signature_malformed',
      () => sent({ 'signature-input': input.replace('redoubt', 'sig1'), signature: mac.replace('redoubt', 'sig1') }),
    ],
    [
      'an upper-case label',
      'http_signature_malformed',
      () => sent({ 'signature-input': input.replace('redoubt', 'Redoubt') }),
    ],
    [
      'a label twice, the last one true',
      'http_signature_malformed',
      () => sent({ 'signature-input': `redoubt=("@method"), ${input}` }),
    ],
    ['a MAC twice, the last one true', 'http_signature_malformed', () => sent({ signature: `redoubt=:AAAA:, ${mac}` })],
    // Structured fields that are not canonical, or not structured fields.
    ['a blank before signature-input', 'http_signature_malformed', () => sent({ 'signature-input': ` ${input}` })],
    ['a blank after signature', 'http_signature_malformed', () => sent({ signature: `${mac} ` })],
    ['two blanks between components', 'http_signature_malformed', () => signedAs(params.replace(' ', '  '))],
    ['a blank before a parameter', 'http_signature_malformed', () => signedAs(params.replace(';keyid', '; keyid'))],
    ['a trailing comma', 'http_signature_malformed', () => sent({ 'signature-input': `${input},` })],
    [
      'an obsolete folding',
      'http_signature_malformed',
      () => sent({ 'signature-input': input.replace(' "@path"', '\r\n "@path"') }),
    ],
    [
      'a letter beyond ASCII',
      'http_signature_malformed',
      () => sent({ 'signature-input': input.replace('worker', 'wörker') }),
    ],
    ['a NUL', 'http_signature_malformed', () => sent({ 'signature-input': `${input}\0` })],
    ['a parameter twice', 'http_signature_malformed', () => parameter(';keyid', `;created=${created};keyid`)],
    ['created as a decimal', 'http_signature_malformed', () => parameter(String(created), `${created}.0`)],
    ['created with leading zeros', 'http_signature_malformed', () => parameter(String(created), `0${created}`)],
    [
      'created beyond what an integer holds',
      'http_signature_malformed',
      () => sent({ 'signature-input': input.replace(String(created), '1'.repeat(16)) }),
    ],
    ['signature-input as an item', 'http_signature_malformed', () => sent({ 'signature-input': 'redoubt=1' })],
    ['signature-input as a bare label', 'http_signature_malformed', () => sent({ 'signature-input': 'redoubt' })],
    ['signature as a list', 'http_signature_malformed', () => sent({ signature: `redoubt=(${mac.slice(8)})` })],
    ['signature as a string', 'http_signature_malformed', () => sent({ signature: `redoubt="${mac.slice(9, -1)}"` })],
    ['signature as a number', 'http_signature_malformed', () => sent({ signature: `redoubt=${'9'.repeat(15)}` })],
    ['signature with a parameter', 'http_signature_malformed', () => sent({ signature: `${mac};a=1` })],
    ['signature without padding', 'http_signature_malformed', () => sent({ signature: mac.replace(/=:$/, ':') })],
    ['signature as base64url', 'http_signature_malformed', () => sent({ signature: `redoubt=:${'_'.repeat(43)}=:` })],
    // What is covered, and what is said of it.
    ['nothing covered', 'http_signature_components', () => parameter(covered, '()')],
    ['the method not covered', 'http_signature_components', () => parameter('"@method" ', '')],
    ['the authority not covered', 'http_signature_components', () => parameter('"@authority" ', '')],
    ['the path not covered', 'http_signature_components', () => parameter('"@path" ', '')],
    ['the query not covered', 'http_signature_components', () => parameter('"@query" ', '')],
    ['the digest not covered', 'http_signature_components', () => parameter(' "content-digest"', '')],
    ['another order', 'http_signature_components', () => parameter('"@method" "@authority"', '"@authority" "@method"')],
    [
      'one component more',
      'http_signature_components',
      () => parameter('"content-digest"', '"content-digest" "signature"'),
    ],
    [
      'a component twice',
      'http_signature_components',
      () => sent({ 'signature-input': input.replace('"@path"', '"@path" "@path"') }),
    ],
    [
      'a component with ;req',
      'http_signature_components',
      () => sent({ 'signature-input': input.replace('"@path"', '"@path";req') }),
    ],
    [
      'a component with ;key',
      'http_signature_components',
      () => parameter('"content-digest"', '"content-digest";key="sha-256"'),
    ],
    [
      'an upper-case component',
      'http_signature_components',
      () => sent({ 'signature-input': input.replace('@method', '@METHOD') }),
    ],
    [
      'a component as a token',
      'http_signature_components',
      () => sent({ 'signature-input': input.replace('"content-digest"', 'content-digest') }),
    ],
    ['the right alg', 'http_signature_components', () => parameter(';tag', ';alg="hmac-sha256";tag')],
    ['another alg', 'http_signature_components', () => parameter(';tag', ';alg="none";tag')],
    ['expires', 'http_signature_components', () => parameter(';tag', `;expires=${created + 9};tag`)],
    ['an unknown parameter', 'http_signature_components', () => signedAs(`${params};debug`)],
    [
      'other order of parameters',
      'http_signature_components',
      () => parameter(`;nonce="${nonce}";tag="redoubt-service"`, `;tag="redoubt-service";nonce="${nonce}"`),
    ],
    ['no created', 'http_signature_components', () => parameter(`;created=${created}`, '')],
    ['no keyid', 'http_signature_components', () => parameter(';keyid="worker/3"', '')],
    ['no nonce', 'http_signature_components', () => parameter(`;nonce="${nonce}"`, '')],
    ['no tag', 'http_signature_components', () => parameter(';tag="redoubt-service"', '')],
    ['the tag of answers', 'http_signature_components', () => parameter('redoubt-service"', 'redoubt-service-answer"')],
    ['the tag of another application', 'http_signature_components', () => parameter('redoubt-service', 'other')],
    ['keyid as a token', 'http_signature_components', () => parameter('"worker/3"', 'worker/3')],
    ['created as a string', 'http_signature_components', () => parameter(String(created), `"${created}"`)],
    [
      'created as a date',
      'http_signature_malformed',
      () => sent({ 'signature-input': input.replace(String(created), `@${created}`) }),
    ],
    ['created before 1970', 'http_signature_components', () => parameter(String(created), `-${created}`)],
    ['nonce as bytes', 'http_signature_components', () => parameter(`"${nonce}"`, ':AAAA:')],
    ['nonce as a flag', 'http_signature_components', () => parameter(`nonce="${nonce}"`, 'nonce')],
    ['an upper-case keyid', 'http_signature_malformed', () => parameter('worker/3', 'Worker/3')],
    ['a keyid without version', 'http_signature_malformed', () => parameter('worker/3', 'worker')],
    ['a keyid with a second spelling', 'http_signature_malformed', () => parameter('worker/3', 'worker/03')],
    ['a keyid with a quote', 'http_signature_components', () => parameter('worker/3', 'worker/3\\"')],
    ['a short nonce', 'http_signature_malformed', () => parameter(nonce, 'AAAA')],
    ['a nonce with loose bits', 'http_signature_malformed', () => parameter(nonce, `${nonce.slice(0, -1)}x`)],
    ['a nonce of other letters', 'http_signature_malformed', () => parameter(nonce, nonce.replace('Q', '+'))],
    // Targets not in normal form.
    ['a lower-case method', 'http_signature_malformed', () => signedAs(params, { method: 'post' })],
    ['an upper-case authority', 'http_signature_malformed', () => signedAs(params, { authority: 'Keeper.internal' })],
    [
      'an authority with a user',
      'http_signature_malformed',
      () => signedAs(params, { authority: 'a@keeper.internal' }),
    ],
    ['an empty path', 'http_signature_malformed', () => signedAs(params, { path: '' })],
    ['a path with the query in it', 'http_signature_malformed', () => signedAs(params, { path: '/a?b', query: '' })],
    ['a path with a fragment', 'http_signature_malformed', () => signedAs(params, { path: '/a#b' })],
    ['a path of two lines', 'http_signature_malformed', () => ({ ...message, path: '/a\n"@query": ?b' })],
    ['a path beyond ASCII', 'http_signature_malformed', () => ({ ...message, path: '/ä' })],
    ['a bare ? as query', 'http_signature_malformed', () => signedAs(params, { query: '?' })],
    ['a query without ?', 'http_signature_malformed', () => signedAs(params, { query: 'a=1' })],
    // Time.
    [
      'a message older than the window',
      'http_signature_window',
      () => message,
      { now: new Date(created * 1000 + 60_001) },
    ],
    ['a message older than a shorter window', 'http_signature_window', () => message, { windowMs: 300 }],
    ['a message from too far ahead', 'http_signature_window', () => message, { now: new Date(created * 1000 - 5_001) }],
    ['a message from the end of time', 'http_signature_window', () => parameter(String(created), '9'.repeat(15))],
    ['a clock that tells no time', 'http_signature_window', () => message, { now: new Date(Number.NaN) }],
    ['a window that is no number', 'http_signature_window', () => message, { windowMs: Number.NaN }],
    // Keys and MACs.
    ['an unknown key', 'http_signature_key_unknown', () => parameter('worker/3', 'worker/4')],
    [
      'a key store that throws',
      'http_signature_key_unknown',
      () => message,
      {
        keys: () => {
          throw new Error('sealed')
        },
      },
    ],
    [
      'a key store that rejects',
      'http_signature_key_unknown',
      () => message,
      { keys: () => Promise.reject(new Error('sealed')) },
    ],
    ['the key of somebody else', 'http_signature_mac', () => message, { keys: () => new Secret(randomBytes(32)) }],
    ['a short key', 'key_invalid', () => message, { keys: () => new Secret(randomBytes(16)) }],
    ['an empty key', 'key_invalid', () => message, { keys: () => new Secret(new Uint8Array()) }],
    ['an empty MAC', 'http_signature_mac', () => sent({ signature: 'redoubt=::' })],
    ['a cut MAC', 'http_signature_mac', () => sent({ signature: `redoubt=${cutMac(31)}` })],
    ['a MAC with a byte more', 'http_signature_mac', () => sent({ signature: `redoubt=${cutMac(33)}` })],
    [
      'a MAC of another message',
      'http_signature_mac',
      () => sent({ signature: signed({ path: '/other' }).headers['signature'] as string }),
    ],
    // Bodies.
    ['another body', 'http_signature_digest', () => ({ ...message, body: Buffer.from('{"organization":"o2"}') })],
    ['no body', 'http_signature_digest', () => ({ ...message, body: Buffer.alloc(0) })],
    [
      'a body with its own digest, unsigned',
      'http_signature_mac',
      () => ({ ...sent({ 'content-digest': contentDigest(Buffer.from('x')) }), body: Buffer.from('x') }),
    ],
    ['a signed digest of another body', 'http_signature_digest', () => withDigest(contentDigest(Buffer.from('x')))],
    ['a signed digest by sha-512', 'http_signature_digest', () => withDigest(contentDigest(body, 'sha-512'))],
    [
      'two signed digests',
      'http_signature_digest',
      () => withDigest(`${contentDigest(body)}, ${contentDigest(body, 'sha-512')}`),
    ],
    [
      'a signed digest by an unknown algorithm',
      'http_signature_digest',
      () => withDigest('md5=:1B2M2Y8AsgTpgAmY7PhCfg==:'),
    ],
    ['a signed digest with a blank', 'http_signature_digest', () => withDigest(` ${contentDigest(body)}`)],
  ])('is refused with %s (%s), and its nonce is not taken', async (_name, code, hostile, change = {}) => {
    const nonces = new MemoryNonces(10)
    const request = hostile()
    await expect(verify(request, { nonces, ...change })).rejects.toThrow(refusal(code))
    expect(nonces.size).toBe(0)
    await expect(verify(message, { nonces }), 'the true message still passes').resolves.toBeTruthy()
  })

  test('is told how many signatures it may have, when it has two', async () => {
    for (const headers of [{ 'signature-input': `${input}, a=()` }, { signature: `a=:AAAA:, ${mac}` }])
      await expect(verify(sent(headers))).rejects.toThrow(/must hold one signature, named redoubt/)
  })
})

/** The MAC of the message cut or filled up to a length, as a byte sequence. */
function cutMac(length: number): string {
  const bytes = Buffer.alloc(length)
  Buffer.from(mac.slice(9, -1), 'base64').copy(bytes)
  return `:${bytes.toString('base64')}:`
}
