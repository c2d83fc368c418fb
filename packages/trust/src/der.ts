import { TrustError } from './trust-error.ts'

/*
 * The little DER (X.690 §10) that certificates need: reading extensions that node:crypto does not show, and writing a
 * certificate request. A whole ASN.1 library costs every service 25 MB and is loaded by the certificate authority alone.
 */

export const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  sequence: 0x30,
} as const

export type DerValue = { readonly tag: number; readonly content: Buffer }

/**
 * The values that fill `bytes`, one after the other, with nothing left over. Throws `encoding` for what is BER but not
 * DER: a value that can be spelled in two ways can be read in two ways.
 */
export function readDer(bytes: Uint8Array): readonly DerValue[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const values: DerValue[] = []
  for (let at = 0; at < buffer.length; ) {
    const first = buffer[at]
    const { length, start } = readLength(buffer, at + 1)
    if (first === undefined || (first & 0x1f) === 0x1f || start + length > buffer.length) throw notDer()
    values.push({ tag: first, content: buffer.subarray(start, start + length) })
    at = start + length
  }
  return values
}

/** One value: its tag, its length in the shortest form, and its parts. */
export function writeDer(tagByte: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const header = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  if (length > 0xffff) throw new TrustError('encoding', 'a DER value of more than 65 535 bytes is not written here')
  return Buffer.concat([Buffer.from([tagByte, ...header]), content])
}

function readLength(buffer: Buffer, at: number): { readonly length: number; readonly start: number } {
  const first = buffer[at]
  if (first === undefined) throw notDer()
  if (first < 0x80) return { length: first, start: at + 1 }
  const size = first & 0x7f
  // 0x80 is BER's open end; three bytes are more than any certificate here has.
  if (size === 0 || size > 3 || at + 1 + size > buffer.length) throw notDer()
  const length = buffer.readUIntBE(at + 1, size)
  if (length < 0x80 || length < 1 << (8 * (size - 1))) throw notDer()
  return { length, start: at + 1 + size }
}

const notDer = () => new TrustError('encoding', 'not DER')
