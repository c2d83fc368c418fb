import { constants, createHmac, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { type InnerList, isInnerList, parseDictionary, serializeInnerList } from 'structured-headers'
import { describe, expect, test } from 'vitest'
import { coveredComponents, type MessageParts, type RequestParts, signatureBase } from './signature-base.ts'
import type { TrustErrorCode } from './trust-error.ts'

// The keys and messages of RFC 9421, Appendix B.1 and B.2. They are published and sign nothing else.
const pem = (kind: 'PUBLIC' | 'PRIVATE', base64: string) =>
  `-----BEGIN ${kind} KEY-----\n${base64}\n-----END ${kind} KEY-----`
const rsaPss = createPublicKey(
  pem(
    'PUBLIC',
    'MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2\n' +
      '+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+\n' +
      'oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq\n' +
      'gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W\n' +
      'Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4\n' +
      'aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI\n' +
      '2wIDAQAB',
  ),
)
const p256 = createPublicKey(
  pem(
    'PUBLIC',
    'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf\n' +
      'w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==',
  ),
)
const ed25519 = createPrivateKey(pem('PRIVATE', 'MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF'))
const sharedSecret = Buffer.from(
  'uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==',
  'base64',
)

const requestDigest =
  'sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:'
const request: RequestParts = {
  method: 'POST',
  authority: 'example.com',
  path: '/foo',
  query: '?param=Value&Pet=dog',
  headers: {
    date: 'Tue, 20 Apr 2021 02:07:55 GMT',
    'content-type': 'application/json',
    'content-digest': requestDigest,
    'content-length': '18',
  },
}
const response: MessageParts = {
  status: 200,
  headers: {
    date: 'Tue, 20 Apr 2021 02:07:56 GMT',
    'content-type': 'application/json',
    'content-digest':
      'sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:',
    'content-length': '23',
  },
}
const unavailable: MessageParts = {
  status: 503,
  headers: {
    'content-type': 'application/json',
    'content-digest':
      'sha-512=:0Y6iCBzGg5rZtoXS95Ijz03mslf6KAMCloESHObfwnHJDbkkWWQz6PhhU9kxsTbARtY2PTBOzq24uJFpHsMuAg==:',
  },
}
const clientCert =
  ':MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVkaWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YnXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=:'

type Verify = (base: Buffer, signature: Buffer) => boolean
const byRsaPss: Verify = (base, signature) =>
  verify('sha512', base, { key: rsaPss, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 }, signature)
const byP256: Verify = (base, signature) => verify('sha256', base, { key: p256, dsaEncoding: 'ieee-p1363' }, signature)
const byEd25519: Verify = (base, signature) => verify(null, base, createPublicKey(ed25519 as KeyObject), signature)
const hmac = (base: Buffer) => createHmac('sha256', sharedSecret).update(base).digest()
const byHmac: Verify = (base, signature) => hmac(base).equals(signature)

type Vector = {
  name: string
  message: MessageParts
  /** What the message answers. */
  to?: RequestParts
  input: string
  lines: string[]
  signature: string
  verify: Verify
}
const vectors: Vector[] = [
  {
    name: 'B.2.1 (rsa-pss-sha512, nothing covered)',
    message: request,
    input: '();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"',
    lines: [],
    signature:
      'd2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==',
    verify: byRsaPss,
  },
  {
    name: 'B.2.2 (rsa-pss-sha512, a query parameter)',
    message: request,
    input:
      '("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example"',
    lines: ['"@authority": example.com', `"content-digest": ${requestDigest}`, '"@query-param";name="Pet": dog'],
    signature:
      'LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==',
    verify: byRsaPss,
  },
  {
    name: 'B.2.3 (rsa-pss-sha512, all covered)',
    message: request,
    input:
      '("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss"',
    lines: [
      '"date": Tue, 20 Apr 2021 02:07:55 GMT',
      '"@method": POST',
      '"@path": /foo',
      '"@query": ?param=Value&Pet=dog',
      '"@authority": example.com',
      '"content-type": application/json',
      `"content-digest": ${requestDigest}`,
      '"content-length": 18',
    ],
    signature:
      'bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==',
    verify: byRsaPss,
  },
  {
    name: 'B.2.4 (ecdsa-p256-sha256, a response)',
    message: response,
    input: '("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256"',
    lines: [
      '"@status": 200',
      '"content-type": application/json',
      `"content-digest": ${response.headers['content-digest']}`,
      '"content-length": 23',
    ],
    signature: 'wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==',
    verify: byP256,
  },
  {
    name: 'B.2.5 (hmac-sha256)',
    message: request,
    input: '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
    lines: ['"date": Tue, 20 Apr 2021 02:07:55 GMT', '"@authority": example.com', '"content-type": application/json'],
    signature: 'pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=',
    verify: byHmac,
  },
  {
    name: 'B.2.6 (ed25519)',
    message: request,
    input:
      '("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"',
    lines: [
      '"date": Tue, 20 Apr 2021 02:07:55 GMT',
      '"@method": POST',
      '"@path": /foo',
      '"@authority": example.com',
      '"content-type": application/json',
      '"content-length": 18',
    ],
    signature: 'wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==',
    verify: byEd25519,
  },
  {
    name: 'B.3 (ecdsa-p256-sha256, behind a TLS-terminating proxy)',
    message: {
      ...request,
      authority: 'service.internal.example',
      headers: { ...request.headers, 'client-cert': clientCert },
    },
    input: '("@path" "@query" "@method" "@authority" "client-cert");created=1618884473;keyid="test-key-ecc-p256"',
    lines: [
      '"@path": /foo',
      '"@query": ?param=Value&Pet=dog',
      '"@method": POST',
      '"@authority": service.internal.example',
      `"client-cert": ${clientCert}`,
    ],
    signature: 'xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==',
    verify: byP256,
  },
  {
    name: 'B.4 (ed25519, a field in two lines)',
    message: {
      method: 'GET',
      authority: 'example.org',
      path: '/demo',
      query: '?name1=Value1&Name2=value2',
      headers: { accept: [' application/json', '*/*\t'] },
    },
    input: '("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519"',
    lines: ['"@method": GET', '"@path": /demo', '"@authority": example.org', '"accept": application/json, */*'],
    signature: 'ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==',
    verify: byEd25519,
  },
  {
    name: '§2.4 (ecdsa-p256-sha256, a response bound to its request)',
    message: unavailable,
    to: request,
    input:
      '("@status" "content-digest" "content-type" "@authority";req "@method";req "@path";req "content-digest";req);created=1618884479;keyid="test-key-ecc-p256"',
    lines: [
      '"@status": 503',
      `"content-digest": ${unavailable.headers['content-digest']}`,
      '"content-type": application/json',
      '"@authority";req: example.com',
      '"@method";req: POST',
      '"@path";req: /foo',
      `"content-digest";req: ${requestDigest}`,
    ],
    signature: 'dMT/A/76ehrdBTD/2Xx8QuKV6FoyzEP/I9hdzKN8LQJLNgzU4W767HK05rx1i8meNQQgQPgQp8wq2ive3tV5Ag==',
    verify: byP256,
  },
  {
    name: '§2.4 (ecdsa-p256-sha256, a response bound to all of its request)',
    message: unavailable,
    to: request,
    input:
      '("@status" "content-digest" "content-type" "@authority";req "@method";req "@path";req "@query";req "content-digest";req "content-type";req "content-length";req);created=1618884479;keyid="test-key-ecc-p256"',
    lines: [
      '"@status": 503',
      `"content-digest": ${unavailable.headers['content-digest']}`,
      '"content-type": application/json',
      '"@authority";req: example.com',
      '"@method";req: POST',
      '"@path";req: /foo',
      '"@query";req: ?param=Value&Pet=dog',
      `"content-digest";req: ${requestDigest}`,
      '"content-type";req: application/json',
      '"content-length";req: 18',
    ],
    signature: 'C73J41GVKc+TYXbSobvZf0CmNcptRiWN+NY1Or0A36ISg6ymdRN6ZgR2QfrtopFNzqAyv+CeWrMsNbcV2Ojsgg==',
    verify: byP256,
  },
]

function innerList(text: string): InnerList {
  const member = parseDictionary(`sig=${text}`).get('sig')
  if (member === undefined || !isInnerList(member)) throw new Error(`not an inner list: ${text}`)
  return member
}
function baseOf(input: string, message: MessageParts, to?: RequestParts): string {
  const list = innerList(input)
  return signatureBase(coveredComponents(list), serializeInnerList(list), message, to)
}
const linesOf = (covered: string, message: MessageParts, to?: RequestParts) =>
  baseOf(covered, message, to).split('\n').slice(0, -1)
const refusal = (code: TrustErrorCode) => expect.objectContaining({ name: 'TrustError', code })

describe('the signature base of RFC 9421', () => {
  test.each(vectors)('is the published one in $name, and the published signature is over it', (vector) => {
    const base = baseOf(vector.input, vector.message, vector.to)
    expect(base).toBe([...vector.lines, `"@signature-params": ${vector.input}`].join('\n'))
    const signature = Buffer.from(vector.signature, 'base64')
    expect(vector.verify(Buffer.from(base), signature)).toBe(true)
    expect(vector.verify(Buffer.from(`${base} `), signature)).toBe(false)
  })

  test('signs B.2.5 and B.2.6 to the very bytes of the RFC', () => {
    const base = ({ input, message }: Vector) => Buffer.from(baseOf(input, message))
    const [b25, b26] = [vectors[4]!, vectors[5]!]
    expect(hmac(base(b25)).toString('base64')).toBe(b25.signature)
    expect(sign(null, base(b26), ed25519).toString('base64')).toBe(b26.signature)
  })

  test('takes one member of a dictionary field as in §2.1.2', () => {
    const message = { ...request, headers: { 'example-dict': '  a=1,    b=2;x=1;y=2,   c=(a   b    c), d' } }
    expect(
      linesOf('("example-dict";key="a" "example-dict";key="d" "example-dict";key="b" "example-dict";key="c")', message),
    ).toEqual([
      '"example-dict";key="a": 1',
      '"example-dict";key="d": ?1',
      '"example-dict";key="b": 2;x=1;y=2',
      '"example-dict";key="c": (a b c)',
    ])
  })

  test('re-encodes query parameters as in §2.2.8', () => {
    const message = {
      ...request,
      query: '?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something',
    }
    expect(
      linesOf(
        '("@query-param";name="var" "@query-param";name="bar" "@query-param";name="fa%C3%A7ade%22%3A%20")',
        message,
      ),
    ).toEqual([
      '"@query-param";name="var": this%20is%20a%20big%0Amultiline%20value',
      '"@query-param";name="bar": with%20plus%20whitespace',
      '"@query-param";name="fa%C3%A7ade%22%3A%20": something',
    ])
  })

  test('gives an empty path as / and an absent query as ?', () => {
    expect(linesOf('("@path" "@query")', { ...request, path: '', query: '' })).toEqual(['"@path": /', '"@query": ?'])
  })

  test.each<[string, string, MessageParts, RequestParts | undefined, TrustErrorCode]>([
    ['a field the message lacks', '("accept")', request, undefined, 'http_signature_components'],
    ['a component covered twice', '("@path" "@path")', request, undefined, 'http_signature_components'],
    [
      'an upper-case name',
      '("Date")',
      { ...request, headers: { Date: 'now' } },
      undefined,
      'http_signature_components',
    ],
    ['a name that is a token', '(date)', request, undefined, 'http_signature_components'],
    ['the parameters as a component', '("@signature-params")', request, undefined, 'http_signature_components'],
    ['an unknown derived component', '("@fingerprint")', request, undefined, 'http_signature_components'],
    ['the status of a request', '("@status")', request, undefined, 'http_signature_components'],
    ['the method of a response', '("@method")', response, request, 'http_signature_components'],
    ['a request in a request', '("@method";req)', request, request, 'http_signature_components'],
    ['a response without its request', '("@method";req)', response, undefined, 'http_signature_components'],
    ['an unknown component parameter', '("date";sf)', request, undefined, 'http_signature_components'],
    ['a false flag', '("@method";req=?0)', response, request, 'http_signature_components'],
    ['a member of a derived component', '("@path";key="a")', request, undefined, 'http_signature_components'],
    ['a member that is not there', '("content-digest";key="md5")', request, undefined, 'http_signature_components'],
    ['a member of no dictionary', '("date";key="a")', request, undefined, 'http_signature_malformed'],
    ['a query parameter without name', '("@query-param")', request, undefined, 'http_signature_components'],
    ['a query parameter not there', '("@query-param";name="x")', request, undefined, 'http_signature_components'],
    [
      'a query parameter there twice',
      '("@query-param";name="a")',
      { ...request, query: '?a=1&%61=2' },
      undefined,
      'http_signature_components',
    ],
    [
      'a value over two lines',
      '("x")',
      { ...request, headers: { x: 'a\n"@path": /b' } },
      undefined,
      'http_signature_malformed',
    ],
    ['a folded value', '("x")', { ...request, headers: { x: 'a\r\n b' } }, undefined, 'http_signature_malformed'],
    ['a value beyond ASCII', '("x")', { ...request, headers: { x: 'é' } }, undefined, 'http_signature_malformed'],
    [
      'white space beyond ASCII around a value',
      '("x")',
      { ...request, headers: { x: '\u00a0a' } },
      undefined,
      'http_signature_malformed',
    ],
    ['a path over two lines', '("@path")', { ...request, path: '/a\n/b' }, undefined, 'http_signature_malformed'],
  ])('refuses %s', (_name, covered, message, to, code) => {
    expect(() => baseOf(covered, message, to)).toThrow(refusal(code))
  })
})
