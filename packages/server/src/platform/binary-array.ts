/*
 * PostgreSQL arrays in their binary form (array_send): a million characters of payload go to the server as they are,
 * where the text form would escape every quote and backslash twice. pg sends a Buffer parameter as binary; the
 * statement casts it (`$1::text[]`), which fixes the type it is read as.
 */

const oid = { bytea: 17, int2: 21, int4: 23, text: 25, timestamptz: 1184, uuid: 2950, jsonb: 3802 } as const
const HEADER = 20
/** Microseconds between 1970-01-01 and 2000-01-01, PostgreSQL's epoch. */
const EPOCH_OFFSET = 946_684_800_000_000n
const JSONB_VERSION = 1

type Writer<T> = {
  readonly oid: number
  /** Bytes that the value takes. */
  size(value: T): number
  write(into: Buffer, value: T, at: number, size: number): void
}

function encode<T>(writer: Writer<T>, values: readonly (T | null)[]): Buffer {
  if (values.length === 0) return header(Buffer.allocUnsafe(12), 0, writer.oid)
  const sizes = new Int32Array(values.length)
  let total = HEADER
  for (const [index, value] of values.entries()) {
    const size = value === null ? -1 : writer.size(value)
    sizes[index] = size
    total += 4 + Math.max(size, 0)
  }
  const bytes = header(Buffer.allocUnsafe(total), 1, writer.oid)
  bytes.writeInt32BE(values.length, 12)
  bytes.writeInt32BE(1, 16)
  let at = HEADER
  for (const [index, value] of values.entries()) {
    const size = sizes[index] ?? -1
    at = bytes.writeInt32BE(size, at)
    if (value === null) continue
    writer.write(bytes, value, at, size)
    at += size
  }
  return bytes
}

/** Dimensions, whether there are nulls (always said: it is allowed to be wrong that way), element type. */
function header(bytes: Buffer, dimensions: 0 | 1, elementOid: number): Buffer {
  bytes.writeInt32BE(dimensions, 0)
  bytes.writeInt32BE(1, 4)
  bytes.writeInt32BE(elementOid, 8)
  return bytes
}

const text: Writer<string> = {
  oid: oid.text,
  size: (value) => Buffer.byteLength(value, 'utf8'),
  write: (into, value, at, size) => into.write(value, at, size, 'utf8'),
}
const jsonb: Writer<string> = {
  oid: oid.jsonb,
  size: (value) => 1 + Buffer.byteLength(value, 'utf8'),
  write(into, value, at, size) {
    into[at] = JSONB_VERSION
    into.write(value, at + 1, size - 1, 'utf8')
  },
}
const bytea: Writer<Uint8Array> = {
  oid: oid.bytea,
  size: (value) => value.length,
  write: (into, value, at) => into.set(value, at),
}
const int2: Writer<number> = {
  oid: oid.int2,
  size: () => 2,
  write: (into, value, at) => into.writeInt16BE(value, at),
}
const int4: Writer<number> = {
  oid: oid.int4,
  size: () => 4,
  write: (into, value, at) => into.writeInt32BE(value, at),
}
const timestamptz: Writer<Date> = {
  oid: oid.timestamptz,
  size: () => 8,
  write: (into, value, at) => into.writeBigInt64BE(BigInt(value.getTime()) * 1000n - EPOCH_OFFSET, at),
}
const uuid: Writer<string> = {
  oid: oid.uuid,
  size: () => 16,
  write: (into, value, at) => into.write(value.replaceAll('-', ''), at, 16, 'hex'),
}

type Encoder<T> = (values: readonly (T | null)[]) => Buffer
export const binaryArray = {
  text: ((values) => encode(text, values)) as Encoder<string>,
  /** JSON text, already stringified; free of `\u0000`, which jsonb refuses. */
  jsonb: ((values) => encode(jsonb, values)) as Encoder<string>,
  bytea: ((values) => encode(bytea, values)) as Encoder<Uint8Array>,
  int2: ((values) => encode(int2, values)) as Encoder<number>,
  int4: ((values) => encode(int4, values)) as Encoder<number>,
  timestamptz: ((values) => encode(timestamptz, values)) as Encoder<Date>,
  uuid: ((values) => encode(uuid, values)) as Encoder<string>,
}
