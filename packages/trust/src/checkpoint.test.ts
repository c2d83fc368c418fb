import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatCheckpoint, parseCheckpoint, verifyCheckpoint } from './checkpoint.ts'
import { leafHash } from './merkle.ts'
import { noteVerifierOf, signCheckpoint, signNote } from './note-signing.ts'
import { formatNote, formatVerifierKey, noteVerifier, openNote, parseNote, parseVerifierKey } from './signed-note.ts'
import { generateSigningKey, importSigningKey } from './signing-key.ts'

// The published example of the note format (golang.org/x/mod/sumdb/note): its key, its text and its signature.
const published = {
  verifier: 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
  privateKey: 'AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz',
  text: "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n",
  signature:
    '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n',
}
const publishedNote = `${published.text}\n${published.signature}`
// The example of c2sp.org/tlog-checkpoint; its key is not published, so only its form can be checked.
const exampleNote = `example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
`

const origin = 'redoubt.example/audit/8b1c'
const root = leafHash(Buffer.from('root'))
const key = generateSigningKey('Ed25519')
const verifier = await noteVerifierOf(origin, key)

describe('signed notes', () => {
  test('opens the published note with the published key', async () => {
    expect(await openNote(publishedNote, await parseVerifierKey(published.verifier))).toBe(published.text)
  })

  test('signs the published text to the published bytes', async () => {
    const url = { alphabet: 'base64url', omitPadding: true } as const
    const [, , x] = published.verifier.split('+')
    const publisher = importSigningKey({
      kty: 'OKP',
      crv: 'Ed25519',
      x: Uint8Array.fromBase64(x!).slice(1).toBase64(url),
      d: Uint8Array.fromBase64(published.privateKey).slice(1).toBase64(url),
    })
    expect(await signNote(published.text, 'PeterNeumann', publisher)).toBe(publishedNote)
    expect(formatVerifierKey(await noteVerifierOf('PeterNeumann', publisher))).toBe(published.verifier)
  })

  test('reads the checkpoint of the specification and writes it back unchanged', () => {
    const { text, signatures } = parseNote(exampleNote)
    expect(formatNote(text, signatures)).toBe(exampleNote)
    const checkpoint = parseCheckpoint(text)
    expect(checkpoint).toMatchObject({ origin: 'example.com/behind-the-sofa', size: 20852163 })
    expect(formatCheckpoint(checkpoint)).toBe(text)
  })

  test('passes over the signatures of witnesses', async () => {
    const note = await signCheckpoint({ origin, size: 3, root }, key)
    const witnessed = `${note}— witness.example ${Buffer.alloc(76, 7).toString('base64')}\n`
    expect(await verifyCheckpoint(witnessed, verifier, origin)).toMatchObject({ size: 3 })
  })

  test('refuses every note that differs in one character', async () => {
    const note = await signCheckpoint({ origin, size: 1234567, root }, key)
    await fc.assert(
      fc.asyncProperty(
        fc.nat(note.length - 1),
        fc.constantFrom('\n', '0', '=', 'A', ' ', '\r', ''),
        async (at, other) => {
          fc.pre(note[at] !== other)
          const altered = note.slice(0, at) + other + note.slice(at + 1)
          await expect(verifyCheckpoint(altered, verifier, origin)).rejects.toMatchObject({ name: 'TrustError' })
        },
      ),
      { numRuns: 400 },
    )
  })

  test.each([
    ['no signature', 'a\n\n'],
    ['no blank line', 'a\n— x AAAAAAA=\n'],
    ['no final newline', publishedNote.slice(0, -1)],
    ['something behind the signatures', `${publishedNote}x\n`],
    ['a carriage return', publishedNote.replace('\n', '\r\n')],
    ['a hyphen in place of the dash', publishedNote.replace('—', '-')],
    ['two spaces', publishedNote.replace('PeterNeumann ', 'PeterNeumann  ')],
    ['base64 with loose bits', publishedNote.replace('nAM=', 'nAN=')],
    ['base64 without padding', publishedNote.replace('nAM=', 'nAM')],
    ['a lone surrogate', publishedNote.replace('If', '\ud800')],
    ['the same signature twice', `${publishedNote}${published.signature}`],
    ['endless signatures', publishedNote + '— w AAAAAAA=\n'.repeat(20)],
  ])('refuses a note with %s', async (_name, note) => {
    await expect(openNote(note, await parseVerifierKey(published.verifier))).rejects.toMatchObject({
      code: 'note_malformed',
    })
  })

  test('refuses a foreign key under the right name, and the right key under a foreign name', async () => {
    const stranger = generateSigningKey('Ed25519')
    for (const [name, signer] of [
      [origin, stranger],
      ['other.example', key],
    ] as const) {
      const note = await signNote(formatCheckpoint({ origin, size: 3, root }), name, signer)
      await expect(verifyCheckpoint(note, verifier, origin)).rejects.toMatchObject({ code: 'note_signature' })
    }
  })

  test('refuses the checkpoint of another log signed with the same key', async () => {
    const note = await signNote(formatCheckpoint({ origin: 'other.example', size: 3, root }), origin, key)
    await expect(verifyCheckpoint(note, verifier, origin)).rejects.toMatchObject({ code: 'checkpoint_origin' })
  })
})

describe('verifier keys', () => {
  test('survive the way through text', async () => {
    expect(await parseVerifierKey(formatVerifierKey(verifier))).toEqual(verifier)
  })

  test('are refused in every altered form', async () => {
    const text = formatVerifierKey(verifier)
    const forms = [
      text.replace(origin, 'other.example'),
      text.replace(
        /\+([0-9a-f]{8})\+/,
        (_, id: string) => `+${id.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))}+`,
      ),
      text.replace(/\+([0-9a-f]{8})\+/, (_, id: string) => `+0${id}+`),
      `${text}=`,
      ` ${text}`,
      `${text}\n`,
      text.slice(0, -4),
      `PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW`,
      `PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==`,
      '',
    ]
    for (const form of forms) await expect(parseVerifierKey(form), form).rejects.toMatchObject({ code: 'verifier_key' })
    for (const name of ['', 'a b', 'a+b', 'a\nb', '\u00a0'])
      await expect(noteVerifier(name, verifier.publicKey)).rejects.toMatchObject({ code: 'verifier_key' })
  })

  test('are made of Ed25519 keys alone', async () => {
    await expect(noteVerifierOf('a.example', generateSigningKey('ES256'))).rejects.toMatchObject({
      code: 'verifier_key',
    })
  })
})

describe('checkpoints', () => {
  test('survive the way through text at every size', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.uint8Array({ minLength: 32, maxLength: 32 }), (size, hash) => {
        const parsed = parseCheckpoint(formatCheckpoint({ origin, size, root: hash }))
        expect(parsed).toEqual({ origin, size, root: new Uint8Array(hash) })
      }),
    )
  })

  const line = root.toBase64()
  test.each([
    ['leading zeros', `o\n007\n${line}\n`],
    ['a sign', `o\n+7\n${line}\n`],
    ['a size past 2^53', `o\n9007199254740992\n${line}\n`],
    ['a size of many digits', `o\n99999999999999999999\n${line}\n`],
    ['a fraction', `o\n1.0\n${line}\n`],
    ['white space', `o\n 7\n${line}\n`],
    ['an empty origin', `\n7\n${line}\n`],
    ['a short root', `o\n7\n${root.slice(1).toBase64()}\n`],
    ['a root in other base64', `o\n7\n${root.toBase64({ alphabet: 'base64url' }).replace(/^./, '_')}\n`],
    ['white space in the root', `o\n7\n${line.slice(0, 4)} ${line.slice(4)}\n`],
    ['an extension line', `o\n7\n${line}\nmore\n`],
    ['no final newline', `o\n7\n${line}`],
    ['a line too few', `o\n7\n`],
  ])('are refused with %s', (_name, text) => {
    expect(() => parseCheckpoint(text)).toThrow(expect.objectContaining({ code: 'checkpoint_malformed' }))
  })
})
