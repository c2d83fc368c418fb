import { spawn } from 'node:child_process'
import { join } from 'node:path'

export const mainFile = join(import.meta.dirname, '..', 'src', 'main.ts')
export type Finished = { readonly code: number | null; readonly out: string; readonly err: string }

/** Runs a real `redoubt` to its end, with `input` on stdin and nothing of this process's environment but the path. */
export function redoubt(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  input: string | Buffer = '',
): Promise<Finished> {
  const child = spawn(process.execPath, [mainFile, ...args], { env: { PATH: process.env['PATH'], ...environment } })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    out += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    err += chunk
  })
  child.stdin.on('error', () => undefined).end(input)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, out, err }))
  })
}
