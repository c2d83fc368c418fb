import {
  type Dictionary,
  type InnerList,
  type Item,
  isInnerList,
  parseDictionary,
  serializeInnerList,
} from 'structured-headers'
import { encodeBase64, utf8 } from './bytes.ts'
import { hmacSha256 } from './mac.ts'
import type { Secret } from './secret.ts'
import { parseServiceKeyId } from './service-key-id.ts'
import { type CoveredComponent, coveredComponents, type FieldValues } from './signature-base.ts'
import { TrustError } from './trust-error.ts'

/*
 * The one profile of RFC 9421 that services speak with each other (SVC-3): hmac-sha256 with a 32-byte key, one signature
 * under a fixed label, fixed components, fixed parameters in a fixed order. Whatever a message could choose is a choice
 * for an attacker, so a message chooses nothing, and every signature has exactly one spelling.
 */

const LABEL = 'redoubt'
const KEY_BYTES = 32
const MAX_FIELD_LENGTH = 512
/** How far the clock of the sender may be ahead. */
export const CLOCK_AHEAD_MS = 5_000
/** How long after its creation a message counts, unless the caller says otherwise. */
export const DEFAULT_WINDOW_MS = 60_000

/** A key that a service and the keeper alone know. The algorithm, hmac-sha256, belongs to the key. */
export type ServiceKey = { readonly keyid: string; readonly secret: Secret<Uint8Array> }

/** What one kind of message must cover, and the tag that keeps it from being taken for the other kind. */
export type SignatureProfile = {
  readonly covered: string
  readonly components: readonly CoveredComponent[]
  readonly tag: string
  readonly hasNonce: boolean
}

/** `created` in whole seconds since 1970; `nonce` where the profile has one. */
export type SignatureFacts = { readonly created: number; readonly keyid: string; readonly nonce: string }
export type SignatureFields = { readonly 'signature-input': string; readonly signature: string }
export type ReadSignature = SignatureFacts & {
  /** The value of `@signature-params`, as it was sent. */
  readonly params: string
  readonly mac: Uint8Array
}

/** A profile from its covered components as they stand in Signature-Input. */
export function signatureProfile(covered: string, tag: string, hasNonce: boolean): SignatureProfile {
  const member = parseDictionary(`${LABEL}=${covered}`).get(LABEL)
  if (member === undefined || !isInnerList(member))
    throw new TrustError('http_signature_components', 'a profile is an inner list')
  return { covered, components: coveredComponents(member), tag, hasNonce }
}

/** The value of `@signature-params`. Its parts have closed forms without quotes, so nothing can break out of it. */
export function signatureParams(profile: SignatureProfile, { created, keyid, nonce }: SignatureFacts): string {
  const unique = profile.hasNonce ? `;nonce="${nonce}"` : ''
  return `${profile.covered};created=${created};keyid="${keyid}"${unique};tag="${profile.tag}"`
}

/** The two header fields of a signature. */
export const signatureFields = (params: string, mac: Uint8Array): SignatureFields => ({
  'signature-input': `${LABEL}=${params}`,
  signature: signatureField(mac),
})

const signatureField = (mac: Uint8Array): string => `${LABEL}=:${encodeBase64(mac)}:`

/** The MAC over a signature base. Throws `key_invalid` unless the key has 32 bytes. */
export function signatureMac(secret: Secret<Uint8Array>, base: string): Buffer {
  const key = secret.reveal()
  if (key.length !== KEY_BYTES) throw new TrustError('key_invalid', `a service key has ${KEY_BYTES} bytes`)
  return hmacSha256(key, utf8(base))
}

/**
 * Reads the one signature of a message. Throws `http_signature_malformed` when there is not exactly one in canonical
 * form, `http_signature_components` when it covers or says anything but what the profile demands.
 */
export function readSignature(profile: SignatureProfile, headers: FieldValues): ReadSignature {
  const input = singleField(headers, 'signature-input')
  const member = soleMember('signature-input', input)
  if (!isInnerList(member)) throw malformed('signature-input must give the list of covered components')
  const facts = signatureFacts(member)
  const params = facts && signatureParams(profile, facts)
  // One comparison for all that may not differ: components and their order, parameters and theirs, tag, no `alg`. The
  // parser keeps the last of two equal labels or parameters and forgives white space; this does not.
  if (facts === undefined || params === undefined || `${LABEL}=${params}` !== input)
    throw unacceptable(profile, input, member)
  parseServiceKeyId(facts.keyid)
  if (profile.hasNonce) requireNonce(facts.nonce)
  return { ...facts, params, mac: readMac(headers) }
}

/** The parameters this profile knows, when they have their types. */
function signatureFacts([, parameters]: InnerList): SignatureFacts | undefined {
  const [created, keyid, nonce] = [parameters.get('created'), parameters.get('keyid'), parameters.get('nonce') ?? '']
  const isTime = typeof created === 'number' && Number.isSafeInteger(created) && created > 0
  return isTime && typeof keyid === 'string' && typeof nonce === 'string' ? { created, keyid, nonce } : undefined
}

function readMac(headers: FieldValues): Uint8Array {
  const field = singleField(headers, 'signature')
  const [value] = soleMember('signature', field)
  if (!(value instanceof ArrayBuffer)) throw malformed('signature must be a byte sequence')
  const mac = new Uint8Array(value)
  // No parameters, no second spelling: one message has one text. The parser would forgive loose base64.
  if (signatureField(mac) !== field) throw malformed('signature must be one byte sequence in canonical form')
  return mac
}

/** 128 bits as base64url, whose last character carries no loose bits. Throws `http_signature_malformed`. */
export function requireNonce(nonce: string): void {
  if (!/^[A-Za-z0-9_-]{21}[AQgw]$/.test(nonce)) throw malformed('nonce must be 16 bytes of base64url')
}

/** Throws `http_signature_window` unless the message is neither too old nor from the future. */
export function requireWindow(created: number, now: Date, windowMs: number): void {
  const age = now.getTime() - created * 1000
  // Written so that a time that is no number is outside.
  if (!(age <= windowMs && age >= -CLOCK_AHEAD_MS))
    throw new TrustError(
      'http_signature_window',
      `created must be at most ${windowMs} ms past and ${CLOCK_AHEAD_MS} ms ahead: compare the clocks of both machines`,
    )
}

/** A field that arrives twice, or as a list, is refused: two readers could each believe another one. */
export function singleField(headers: FieldValues, name: string): string {
  const value = headers[name]
  if (typeof value !== 'string') throw malformed(`the header ${name} must be sent once`)
  if (value.length > MAX_FIELD_LENGTH)
    throw malformed(`the header ${name} is longer than ${MAX_FIELD_LENGTH} characters`)
  return value
}

/** The member `redoubt` of a dictionary that holds no other. */
function soleMember(name: string, field: string): Item | InnerList {
  let dictionary: Dictionary
  try {
    dictionary = parseDictionary(field)
  } catch (cause) {
    throw malformed(`${name} is not a dictionary of RFC 9651`, { cause })
  }
  const member = dictionary.get(LABEL)
  if (member === undefined || dictionary.size !== 1) throw malformed(`${name} must hold one signature, named ${LABEL}`)
  return member
}

function unacceptable({ covered, tag, hasNonce }: SignatureProfile, input: string, member: InnerList): TrustError {
  if (`${LABEL}=${serializeInnerList(member)}` !== input) return malformed('signature-input must be in canonical form')
  const names = hasNonce ? 'created, keyid, nonce' : 'created, keyid'
  return new TrustError(
    'http_signature_components',
    `signature-input must be ${covered} with ${names} and tag="${tag}", in this order`,
  )
}

export const malformed = (message: string, options?: ErrorOptions): TrustError =>
  new TrustError('http_signature_malformed', message, options)
