import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, sign, verify } from 'node:crypto'
import {
  createSignature,
  type DataKey,
  type FieldPlace,
  generateSigningKey,
  Keyring,
  openTextField,
  SecretBytes,
  sealField,
  signPlan,
  verifyPlan,
  verifySignature,
} from '@redoubt/trust'
import type { Figure, FigureKey } from './report.ts'
import { median, seededRandom } from './sample.ts'

// Many short turns: what else the machine does then spoils few of them, and the median leaves those out.
const rounds = 301
const warmUp = 20
const fieldsHeld = 10_000
const fieldsPerTurn = 500
const signaturesPerTurn = 50
const nonceBytes = 12
const tag = { authTagLength: 16 }

/** One job done by the product and by the least that could do it; each is called with 0, 1, 2, …, `count` in a turn. */
type Pair = {
  readonly product: (at: number) => unknown
  readonly reference: (at: number) => unknown
  readonly count: number
}
type Measured = { readonly value: number; readonly reference: number; readonly ratio: number }

/** Sealing and signing as often as one core can, against bare node:crypto on the same values and keys. */
export function measureCrypto(progress: (line: string) => void): Figure[] {
  const { seal, open } = fieldPairs()
  const { signing, verifying, planSigning, planVerifying } = signaturePairs()
  const figures = [
    figure('sealing a field', 'bare AES-256-GCM', 'sealRatio', inTurns(seal)),
    figure('opening a field', 'bare AES-256-GCM', 'openRatio', inTurns(open)),
    figure('signing, ES256', 'bare ECDSA', 'signRatio', inTurns(signing)),
    figure('verifying, ES256', 'bare ECDSA', 'verifyRatio', inTurns(verifying)),
    plan('signing a plan', 'planSignPerSecond', inTurns(planSigning)),
    plan('verifying a plan', 'planVerifyPerSecond', inTurns(planVerifying)),
  ]
  progress(`crypto: ${figures.map(({ what, value }) => `${what} ${Math.round(value)}/s`).join(', ')}`)
  return figures
}

/** Texts of 16 to 256 bytes, each in a row of its own. The reference names the row in its associated data as well. */
function fieldPairs(): { readonly seal: Pair; readonly open: Pair } {
  const random = seededRandom(3)
  const organizationId = '0199a000-7000-7000-8000-000000000001'
  const raw = randomBytes(32)
  const bareKey = createSecretKey(raw)
  const key: DataKey = { organizationId, dataClass: 'pii', version: 3, key: new SecretBytes(raw) }
  const find = (version: number) => (version === key.version ? key : undefined)
  const fields = Array.from({ length: fieldsHeld }, (_, at) => {
    const row = `0199a000-7000-7000-8000-${String(at).padStart(12, '0')}`
    const place: FieldPlace = { organizationId, table: 'users', column: 'email', row }
    const text = 'x'.repeat(16 + Math.floor(random() * 241))
    return { row, place, text }
  })
  const fieldAt = (at: number) => fields[at] as (typeof fields)[number]
  const associatedData = (row: string) => Buffer.from(`${organizationId}|users|email|${row}|3`)
  const bareSeal = (at: number) => {
    const { row, text } = fieldAt(at)
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv('aes-256-gcm', bareKey, nonce, tag).setAAD(associatedData(row))
    return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
  }
  const bareSealed = fields.map((_, at) => bareSeal(at))
  const bareOpen = (at: number) => {
    const sealed = bareSealed[at] as Buffer
    const decipher = createDecipheriv('aes-256-gcm', bareKey, sealed.subarray(0, nonceBytes), tag)
    decipher.setAAD(associatedData(fieldAt(at).row)).setAuthTag(sealed.subarray(-tag.authTagLength))
    return decipher.update(sealed.subarray(nonceBytes, -tag.authTagLength), undefined, 'utf8') + decipher.final('utf8')
  }
  const seal = (at: number) => sealField(key, fieldAt(at).place, fieldAt(at).text)
  const sealed = fields.map((_, at) => seal(at))
  const open = (at: number) => openTextField(find, fieldAt(at).place, sealed[at] as Buffer)
  for (const [at, { text }] of fields.entries())
    if (open(at) !== text || bareOpen(at) !== text) throw new Error('a field of the bench does not open')
  return {
    seal: { product: seal, reference: bareSeal, count: fieldsPerTurn },
    open: { product: open, reference: bareOpen, count: fieldsPerTurn },
  }
}

/** ES256 over a message as long as a token's; and whole plan tokens, whose reference is the signature alone. */
function signaturePairs() {
  const key = generateSigningKey('ES256')
  const message = randomBytes(400)
  const bareKey = { key: key.privateKey, dsaEncoding: 'ieee-p1363' } as const
  const barePublicKey = { key: key.publicKey, dsaEncoding: 'ieee-p1363' } as const
  const signature = createSignature(key, message)
  const bareSign = () => sign('sha256', message, bareKey)
  const bareVerify = () => verify('sha256', message, barePublicKey, signature)
  if (!bareVerify() || !verifySignature(key, message, bareSign()))
    throw new Error('a signature of the bench does not verify')

  const [organizationId, runnerId, planId, runId] = Array.from({ length: 4 }, () => crypto.randomUUID()) as [
    string,
    string,
    string,
    string,
  ]
  const steps = Array.from({ length: 8 }, (_, at) => ({ id: `step-${at}`, uses: 'http.request', with: { at } }))
  const document = { playbook: 'contain-host', organizationId, steps }
  const parties = { issuer: 'https://redoubt.example', organizationId, runnerId, now: new Date() }
  const signed = () => signPlan(document, { ...parties, planId, runId, key })
  const token = signed()
  const keys = new Keyring(key)
  const count = signaturesPerTurn
  return {
    signing: { product: () => createSignature(key, message), reference: bareSign, count },
    verifying: { product: () => verifySignature(key, message, signature), reference: bareVerify, count },
    planSigning: { product: signed, reference: bareSign, count },
    planVerifying: { product: () => verifyPlan(token, document, { ...parties, keys }), reference: bareVerify, count },
  } satisfies Record<string, Pair>
}

/**
 * Rates a second of the two, by turns, so that what else the machine does falls on both; who goes first changes with each
 * round, so that neither is always the one with the warm cache. The first rounds only warm up.
 */
function inTurns({ product, reference, count }: Pair): Measured {
  const measured: { value: number; reference: number }[] = []
  for (let round = 0; round <= warmUp + rounds; round++) {
    const productFirst = round % 2 === 0
    const from = (round * count) % fieldsHeld
    const before = rate(productFirst ? product : reference, from, count)
    const after = rate(productFirst ? reference : product, from, count)
    const sample = productFirst ? { value: before, reference: after } : { value: after, reference: before }
    if (round > warmUp) measured.push(sample)
  }
  return {
    value: median(measured.map((sample) => sample.value)),
    reference: median(measured.map((sample) => sample.reference)),
    ratio: median(measured.map((sample) => sample.value / sample.reference)),
  }
}

function rate(task: (at: number) => unknown, from: number, count: number): number {
  const began = performance.now()
  for (let at = from; at < from + count; at++) task(at)
  return (count / (performance.now() - began)) * 1000
}

const figure = (what: string, bare: string, key: FigureKey, { value, reference, ratio }: Measured): Figure => ({
  what,
  unit: 'operations/s',
  value,
  ratio,
  reference: { what: bare, value: reference },
  target: { of: 'ratio', atLeast: 0.8 },
  keys: { [key]: ratio },
})

const plan = (what: string, key: FigureKey, { value, reference, ratio }: Measured): Figure => ({
  what,
  unit: 'operations/s',
  value,
  ratio,
  reference: { what: 'the bare signature alone', value: reference },
  keys: { [key]: value },
})
