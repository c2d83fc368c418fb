import { createReadStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { problemOf } from '@redoubt/sdk'
import { type AuditFileResult, verifyAuditFile } from '@redoubt/trust'

/** A line of a genuine file is far shorter; without a bound a file without line ends would fill the memory. */
const maxLineBytes = 8 * 1024 * 1024

type Print = (line: string) => void
const toTerminal: Print = (line) => process.stdout.write(`${line}\n`)

/**
 * Saves the organization's audit log as a file for `redoubt audit verify`. The file appears under its name only when it
 * is whole.
 * @param options.url address of the api service, such as `https://api.soc.example.com`
 * @param options.token access token of a person who may export the log
 * @throws RedoubtProblem when the platform refuses; Error with a sentence when the file exists or the stream breaks off
 */
export async function exportAudit(options: {
  readonly url: string
  readonly token: string
  readonly out: string
  readonly fetch?: typeof globalThis.fetch
}): Promise<{ readonly file: string; readonly bytes: number }> {
  const { out, token, fetch = globalThis.fetch } = options
  if (await exists(out))
    throw new Error(`${out} exists already: choose another name, so that no earlier export is lost.`)
  const part = `${out}.part`
  const response = await fetch(`${options.url.replace(/\/+$/, '')}/api/v1/audit/export`, {
    headers: { authorization: `Bearer ${token}`, accept: 'application/x-ndjson' },
    redirect: 'error',
  })
  if (!response.ok) throw await problemOf(response)
  if (!response.headers.get('content-type')?.startsWith('application/x-ndjson') || response.body === null) {
    throw new Error(`${options.url} did not answer with an audit log: check that it is the address of the api service.`)
  }
  // The log names people and what they did: for its owner alone.
  const file = await open(part, 'w', 0o600)
  let bytes = 0
  try {
    for await (const chunk of response.body) {
      await file.writeFile(chunk)
      bytes += chunk.byteLength
    }
    await file.sync()
  } catch (cause) {
    await rm(part, { force: true })
    throw new Error('The export broke off before its end, so nothing was saved: try again.', { cause })
  } finally {
    await file.close()
  }
  await rename(part, out)
  return { file: out, bytes }
}

/**
 * Verifies an exported audit log without a server and prints what was found.
 * @param options.key the verifier key kept from elsewhere (`origin+id+key`); without it the file's own is used, and said so
 * @returns the exit code: 0 the log is whole, 1 it is not, 2 the file cannot be read
 */
export async function verifyAuditCommand(
  file: string,
  options: { readonly json?: boolean; readonly key?: string; readonly print?: Print } = {},
): Promise<0 | 1 | 2> {
  const print = options.print ?? toTerminal
  let result: AuditFileResult
  try {
    result = await verifyAuditFile(
      linesOf(file),
      options.key === undefined ? {} : { trustedVerifier: options.key.trim() },
    )
  } catch (error) {
    const problem = `${file} cannot be read: ${(error as Error).message}.`
    print(options.json ? JSON.stringify({ ok: false, problem }) : problem)
    return 2
  }
  if (options.json) print(JSON.stringify(result))
  else for (const line of sentencesOf(file, result)) print(line)
  return result.ok ? 0 : 1
}

/** What the verification found, one sentence a line. */
export function sentencesOf(file: string, result: AuditFileResult): string[] {
  if (!result.ok) {
    return [
      `${file} does NOT verify.`,
      result.problem,
      `The fault shows on line ${result.line}. Keep this file as evidence, and export again.`,
    ]
  }
  const { events, checkpoints, handovers, lastCheckpoint, verifier } = result
  const count = (number: number, one: string) => `${number.toLocaleString('en-GB')} ${one}${number === 1 ? '' : 's'}`
  return [
    `${file} verifies: ${count(events, 'event')} of organization ${result.organizationId}, none altered, missing or reordered.`,
    `${count(checkpoints, 'signed checkpoint')}; the last covers ${count(lastCheckpoint.size, 'event')} with root ${lastCheckpoint.root}.`,
    result.verifierFrom === 'caller'
      ? handovers === 0
        ? 'The checkpoints are signed with the key you gave.'
        : `The key you gave was followed by ${count(handovers, 'other')}, each named by the one before it. Keep the newest from now on:\n  ${verifier}`
      : `The key was taken from the file itself, so a file forged as a whole would pass: compare it with the one you keep, or pass it with --key.\n  ${verifier}`,
    'A file cut off behind an earlier checkpoint is a true but older log: compare the size and root with the last ones you noted.',
  ]
}

/**
 * The lines of a file at LF alone: JSON text may contain U+2028, at which `node:readline` would cut an event in two.
 * Throws for text that is not UTF-8 and for a line without end.
 */
async function* linesOf(file: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let rest: Buffer[] = []
  let restBytes = 0
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    let start = 0
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      yield decoder.decode(Buffer.concat([...rest, chunk.subarray(start, end)]))
      rest = []
      restBytes = 0
      start = end + 1
    }
    if (start === chunk.length) continue
    rest.push(chunk.subarray(start))
    restBytes += chunk.length - start
    if (restBytes > maxLineBytes) throw new Error(`a line is longer than ${maxLineBytes} bytes`)
  }
  if (rest.length > 0) yield decoder.decode(Buffer.concat(rest))
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )
