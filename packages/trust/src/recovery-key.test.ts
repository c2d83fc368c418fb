import { expect, test } from 'vitest'
import { formatRecoveryKey, parseRecoveryKey } from './recovery-key.ts'
import { Secret } from './secret.ts'
import { generateSigningKey } from './signing-key.ts'
import { TrustError } from './trust-error.ts'

const verifier = generateSigningKey('Ed25519')
const backup = { id: 'backup-1', key: new Secret(Buffer.alloc(32, 7)), verifier }
const text = formatRecoveryKey(backup)
const refusal = (wrong: string): string => {
  try {
    parseRecoveryKey(wrong)
    return 'read'
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    expect(error.code).toBe('recovery_key')
    return `${error.message}${String(error.cause ?? '')}`
  }
}

test('a recovery file gives back the key, its name and the verifier', () => {
  const read = parseRecoveryKey(text)
  expect(read.id).toBe('backup-1')
  expect(read.key.reveal().equals(Buffer.alloc(32, 7))).toBe(true)
  expect(read.verifier.kid).toBe(verifier.kid)
})

test('a recovery file never holds the key that signs: who has it can read backups, and forge none', () => {
  expect(JSON.parse(text).verifier.d).toBeUndefined()
})

test('any altered character of its content is refused, without quoting the file', () => {
  const key = Buffer.alloc(32, 7).toString('base64')
  for (let at = 0; at < text.length; at++) {
    if (/\s/.test(text.charAt(at))) continue
    const altered = `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`
    const message = refusal(altered)
    expect(message, `character ${at}`).not.toBe('read')
    expect(message).not.toContain(key.slice(0, 12))
  }
})

test('any cut is refused', () => {
  for (let length = 0; length < text.trimEnd().length; length++) expect(refusal(text.slice(0, length))).not.toBe('read')
})

test.each([
  ['a key of another length', { key: Buffer.alloc(16).toString('base64') }],
  ['another format', { format: 'redoubt.recovery-key/v2' }],
  ['a verifier that is no key', { verifier: { kty: 'oct' } }],
])('%s is refused', async (_what, over) => {
  const { canonicalSha256 } = await import('./canonical-json.ts')
  const { checksum: _old, ...content } = { ...JSON.parse(text), ...over }
  expect(refusal(JSON.stringify({ ...content, checksum: canonicalSha256(content) }))).not.toBe('read')
})
