import { Secret } from '@redoubt/trust'
import type { Mechanism, Template } from 'pkcs11js'
import { KeeperError } from './keeper-error.ts'
import type { MasterKey } from './master-key.ts'
import { codeOf, loadPkcs11, type Pkcs11Options, Pkcs11Token, type TokenSession } from './pkcs11-token.ts'

/*
 * The master key in an HSM (KEY-1): generated in the token, sensitive, never extractable. It wraps by AES key wrap
 * (RFC 3394), or where the token offers none by RSA-OAEP (KEY-3). What comes out is format 1 ‖ mechanism ‖ wrapped key.
 */

const FORMAT = 1
const KEK_BYTES = 32
const RSA_BITS = 3072
const LEAST_RSA_BITS = 2048
/** Large enough for RSA of 8192 bits. */
const MOST_WRAPPED_BYTES = 1024
// CKZ_DATA_SPECIFIED of CK_RSA_PKCS_OAEP_PARAMS, which the binding does not name: an empty label.
const EMPTY_OAEP_LABEL = 1

// SHA-1 in OAEP needs no resistance to collisions (RFC 8017 §B.1), and SoftHSM 2.6 and older HSMs offer nothing else.
const mechanismBytes = { 'aes-key-wrap': 1, 'rsa-oaep-sha256': 2, 'rsa-oaep-sha1': 3 } as const
type WrapMechanism = keyof typeof mechanismBytes

/** What wraps: a key of its own in the token. */
export type TokenKeyKind = 'aes' | 'rsa'

/**
 * Generates the master key in the token. It never leaves it, so only the token's own backup keeps it.
 * @param kind by default AES where the token can wrap with it, RSA of 3072 bits otherwise
 * @throws KeeperError `invalid` when there is a key of this label already, `master_unavailable`, `master_refuses`
 */
export async function createPkcs11Key(options: Pkcs11Options, kind?: TokenKeyKind): Promise<TokenKeyKind> {
  requireLabels(options)
  const token = new Pkcs11Token(await loadPkcs11(), options)
  try {
    return token.use((session) => {
      if (findKeys(session, options.keyLabel).kind !== null)
        throw new KeeperError('invalid', `The token has a key "${options.keyLabel}" already: choose another label.`)
      const chosen = kind ?? (offersAesKeyWrap(session) ? 'aes' : 'rsa')
      if (chosen === 'aes') generateAes(session, options.keyLabel)
      else generateRsa(session, options.keyLabel)
      return chosen
    })
  } finally {
    token.close()
  }
}

/**
 * Opens the master key of a token.
 * @throws KeeperError `master_unavailable` when token or key are not there, `master_refuses` when the PIN is refused,
 * `invalid` when the key could leave the token or is too short
 */
export async function openPkcs11Master(options: Pkcs11Options): Promise<MasterKey> {
  requireLabels(options)
  const token = new Pkcs11Token(await loadPkcs11(), options)
  try {
    token.use((session) => requireKey(session, options.keyLabel))
  } catch (error) {
    token.close()
    throw error
  }
  const { tokenLabel, keyLabel } = options
  return {
    provider: 'pkcs11',
    // RFC 7512.
    id: `pkcs11:token=${encodeURIComponent(tokenLabel)};object=${encodeURIComponent(keyLabel)}`,
    async wrap(kek) {
      if (kek.reveal().length !== KEK_BYTES) throw new KeeperError('invalid', 'A key-encryption key has 32 bytes.')
      return token.use((session) => wrapIn(session, requireKey(session, keyLabel), kek.reveal()))
    },
    async unwrap(wrapped) {
      const { mechanism, body } = readBlob(wrapped)
      return token.use((session, isLastTry) => {
        const key = requireKey(session, keyLabel)
        if ((key.kind === 'aes') !== (mechanism === 'aes-key-wrap')) throw refused()
        return unwrapIn(session, key, mechanism, body, isLastTry)
      })
    },
    async close() {
      token.close()
    },
  }
}

type TokenKey = { readonly kind: TokenKeyKind; readonly wrapping: Buffer; readonly unwrapping: Buffer }

function wrapIn(session: TokenSession, key: TokenKey, kek: Buffer): Buffer {
  const { binding, pkcs11, handle } = session
  // A token wraps objects, not bytes: the KEK is one for this moment, in the session only.
  const object = pkcs11.C_CreateObject(handle, [...kekTemplate(session), { type: binding.CKA_VALUE, value: kek }])
  const wrapBy = (mechanism: WrapMechanism) => {
    const room = Buffer.alloc(MOST_WRAPPED_BYTES)
    const wrapped = pkcs11.C_WrapKey(handle, mechanismOf(session, mechanism), key.wrapping, object, room)
    return Buffer.concat([Buffer.of(FORMAT, mechanismBytes[mechanism]), wrapped])
  }
  try {
    if (key.kind === 'aes') return wrapBy('aes-key-wrap')
    try {
      return wrapBy('rsa-oaep-sha256')
    } catch (error) {
      if (!['CKR_ARGUMENTS_BAD', 'CKR_MECHANISM_PARAM_INVALID'].includes(codeOf(error))) throw error
      return wrapBy('rsa-oaep-sha1')
    }
  } finally {
    pkcs11.C_DestroyObject(handle, object)
  }
}

function unwrapIn(
  session: TokenSession,
  key: TokenKey,
  mechanism: WrapMechanism,
  body: Buffer,
  isLastTry: boolean,
): Secret<Buffer> {
  const { binding, pkcs11, handle } = session
  let object: Buffer
  try {
    object = pkcs11.C_UnwrapKey(handle, mechanismOf(session, mechanism), key.unwrapping, body, kekTemplate(session))
  } catch (error) {
    // With a new session a general error is not about the token any more: SoftHSM's word for what does not unwrap.
    const isAnswer = altered.has(codeOf(error)) || (isLastTry && codeOf(error) === 'CKR_GENERAL_ERROR')
    throw isAnswer ? refused(error) : error
  }
  try {
    const [attribute] = pkcs11.C_GetAttributeValue(handle, object, [{ type: binding.CKA_VALUE }])
    if (attribute?.value.length !== KEK_BYTES) throw refused()
    return new Secret(attribute.value)
  } finally {
    pkcs11.C_DestroyObject(handle, object)
  }
}

const altered = new Set([
  'CKR_ARGUMENTS_BAD',
  'CKR_DATA_INVALID',
  'CKR_DATA_LEN_RANGE',
  'CKR_ENCRYPTED_DATA_INVALID',
  'CKR_ENCRYPTED_DATA_LEN_RANGE',
  'CKR_MECHANISM_PARAM_INVALID',
  'CKR_WRAPPED_KEY_INVALID',
  'CKR_WRAPPED_KEY_LEN_RANGE',
])

function mechanismOf({ binding }: TokenSession, mechanism: WrapMechanism): Mechanism {
  if (mechanism === 'aes-key-wrap') return { mechanism: binding.CKM_AES_KEY_WRAP }
  const isSha256 = mechanism === 'rsa-oaep-sha256'
  const parameter = {
    type: binding.CK_PARAMS_RSA_OAEP,
    hashAlg: isSha256 ? binding.CKM_SHA256 : binding.CKM_SHA_1,
    mgf: isSha256 ? binding.CKG_MGF1_SHA256 : binding.CKG_MGF1_SHA1,
    source: EMPTY_OAEP_LABEL,
  }
  return { mechanism: binding.CKM_RSA_PKCS_OAEP, parameter }
}

const kekTemplate = ({ binding }: TokenSession): Template => [
  { type: binding.CKA_CLASS, value: binding.CKO_SECRET_KEY },
  { type: binding.CKA_KEY_TYPE, value: binding.CKK_AES },
  { type: binding.CKA_TOKEN, value: false },
  { type: binding.CKA_PRIVATE, value: true },
  { type: binding.CKA_SENSITIVE, value: false },
  { type: binding.CKA_EXTRACTABLE, value: true },
]

/** Whether the token can both wrap and unwrap by RFC 3394. */
export function offersAesKeyWrap({ binding, pkcs11, slot }: TokenSession): boolean {
  const wraps = binding.CKM_AES_KEY_WRAP
  // The list first: some modules describe mechanisms that are switched off.
  if (!pkcs11.C_GetMechanismList(slot).includes(wraps)) return false
  const both = binding.CKF_WRAP | binding.CKF_UNWRAP
  return (pkcs11.C_GetMechanismInfo(slot, wraps).flags & both) === both
}

function generateAes({ binding, pkcs11, handle }: TokenSession, label: string): void {
  pkcs11.C_GenerateKey(handle, { mechanism: binding.CKM_AES_KEY_GEN }, [
    { type: binding.CKA_CLASS, value: binding.CKO_SECRET_KEY },
    { type: binding.CKA_VALUE_LEN, value: 32 },
    ...lockedIn(binding, label),
    // Encrypting as well would let a caller take the wrapping apart block by block.
    { type: binding.CKA_ENCRYPT, value: false },
    { type: binding.CKA_DECRYPT, value: false },
    { type: binding.CKA_SIGN, value: false },
    { type: binding.CKA_VERIFY, value: false },
    { type: binding.CKA_WRAP, value: true },
    { type: binding.CKA_UNWRAP, value: true },
  ])
}

function generateRsa({ binding, pkcs11, handle }: TokenSession, label: string): void {
  pkcs11.C_GenerateKeyPair(
    handle,
    { mechanism: binding.CKM_RSA_PKCS_KEY_PAIR_GEN },
    [
      { type: binding.CKA_TOKEN, value: true },
      { type: binding.CKA_LABEL, value: label },
      { type: binding.CKA_MODULUS_BITS, value: RSA_BITS },
      { type: binding.CKA_PUBLIC_EXPONENT, value: Buffer.of(1, 0, 1) },
      { type: binding.CKA_ENCRYPT, value: false },
      { type: binding.CKA_VERIFY, value: false },
      { type: binding.CKA_WRAP, value: true },
    ],
    [
      ...lockedIn(binding, label),
      { type: binding.CKA_DECRYPT, value: false },
      { type: binding.CKA_SIGN, value: false },
      { type: binding.CKA_UNWRAP, value: true },
    ],
  )
}

const lockedIn = (binding: TokenSession['binding'], label: string): Template => [
  { type: binding.CKA_TOKEN, value: true },
  { type: binding.CKA_PRIVATE, value: true },
  { type: binding.CKA_LABEL, value: label },
  { type: binding.CKA_SENSITIVE, value: true },
  { type: binding.CKA_EXTRACTABLE, value: false },
  { type: binding.CKA_MODIFIABLE, value: false },
]

function requireKey(session: TokenSession, label: string): TokenKey {
  const { kind, wrapping, unwrapping } = findKeys(session, label)
  if (kind === null)
    throw new KeeperError(
      'master_unavailable',
      `The token has no key "${label}": mend the label, or generate the key in the token first.`,
    )
  const [wrappingKey, unwrappingKey] = [wrapping[0], unwrapping[0]]
  if (!wrappingKey || !unwrappingKey || wrapping.length > 1 || unwrapping.length > 1)
    throw new KeeperError('invalid', `Several keys "${label}" are in the token: rename or delete all but one.`)
  const { binding, pkcs11, handle } = session
  const read = (object: Buffer, type: number) => pkcs11.C_GetAttributeValue(handle, object, [{ type }])[0]?.value
  const is = (type: number) => read(unwrappingKey, type)?.[0] === 1
  const stays =
    is(binding.CKA_SENSITIVE) &&
    !is(binding.CKA_EXTRACTABLE) &&
    // Of the past too: an imported key, or one that was extractable once, has copies outside.
    is(binding.CKA_ALWAYS_SENSITIVE) &&
    is(binding.CKA_NEVER_EXTRACTABLE)
  if (!stays)
    throw new KeeperError(
      'invalid',
      `The key "${label}" can leave the token or came from outside: generate it in the token.`,
    )
  if (kind === 'rsa') {
    const modulus = read(wrappingKey, binding.CKA_MODULUS)
    if (!modulus || bitsOf(modulus) < LEAST_RSA_BITS)
      throw new KeeperError('invalid', `The RSA key "${label}" is shorter than ${LEAST_RSA_BITS} bits.`)
    // A public key of somebody else under our label would wrap what only they can unwrap.
    if (!read(unwrappingKey, binding.CKA_MODULUS)?.equals(modulus))
      throw new KeeperError('invalid', `The public and the private key "${label}" do not belong together.`)
  }
  return { kind, wrapping: wrappingKey, unwrapping: unwrappingKey }
}

function findKeys({ binding, pkcs11, handle }: TokenSession, label: string) {
  const find = (keyClass: number): Buffer[] => {
    pkcs11.C_FindObjectsInit(handle, [
      { type: binding.CKA_CLASS, value: keyClass },
      { type: binding.CKA_TOKEN, value: true },
      { type: binding.CKA_LABEL, value: label },
    ])
    try {
      return pkcs11.C_FindObjects(handle, 3)
    } finally {
      pkcs11.C_FindObjectsFinal(handle)
    }
  }
  const aes = find(binding.CKO_SECRET_KEY)
  const [wrapping, unwrapping] = [find(binding.CKO_PUBLIC_KEY), find(binding.CKO_PRIVATE_KEY)]
  if (wrapping.length + unwrapping.length === 0)
    return { kind: aes.length > 0 ? ('aes' as const) : null, wrapping: aes, unwrapping: aes }
  // Both kinds under one label are several keys: which one wraps must not be a matter of chance.
  return { kind: 'rsa' as const, wrapping: [...wrapping, ...aes], unwrapping: [...unwrapping, ...aes] }
}

function bitsOf(modulus: Buffer): number {
  const first = modulus.findIndex((byte) => byte !== 0)
  return first < 0 ? 0 : (modulus.length - first) * 8 - Math.clz32(modulus[first] ?? 0) + 24
}

function readBlob(wrapped: Uint8Array): { mechanism: WrapMechanism; body: Buffer } {
  const bytes = Buffer.from(wrapped)
  const names = Object.keys(mechanismBytes) as WrapMechanism[]
  const mechanism = names.find((name) => mechanismBytes[name] === bytes[1])
  if (bytes[0] !== FORMAT || !mechanism) throw refused()
  return { mechanism, body: bytes.subarray(2) }
}

const refused = (cause?: unknown) =>
  new KeeperError('master_refuses', 'The wrapped key was altered, or another master key wrapped it.', { cause })

function requireLabels({ tokenLabel, keyLabel }: Pkcs11Options): void {
  if (!/^[\w. -]{1,32}$/.test(tokenLabel) || !/^[\w. -]{1,64}$/.test(keyLabel))
    throw new KeeperError(
      'invalid',
      'Labels of token and key have letters, digits, dots, hyphens and spaces: 32 and 64 at most.',
    )
}
