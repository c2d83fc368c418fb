import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'

// PostgreSQL refuses to run as root. `nobody` owns nothing else and exists on every Linux.
export const unprivileged = { uid: 65534, gid: 65534 }

export type Command = {
  readonly program: string
  readonly args: readonly string[]
  readonly options: { readonly uid?: number; readonly gid?: number }
}

/**
 * How to run a program that works on a folder, so that it is not root: as `nobody` when we are. Where the path to either
 * is closed to others it keeps the right to pass through, and no more.
 */
export async function unprivilegedCommand(program: string, args: readonly string[], folder: string): Promise<Command> {
  if (process.getuid?.() !== 0) return { program, args, options: {} }
  const open = (await passable(dirname(program))) && (await passable(dirname(folder)))
  if (open) return { program, args, options: unprivileged }
  const { uid, gid } = unprivileged
  const identity = ['--reuid', String(uid), '--regid', String(gid), '--clear-groups']
  const capability = '+dac_read_search'
  const capabilities = ['--inh-caps', capability, '--ambient-caps', capability]
  return { program: 'setpriv', args: [...identity, ...capabilities, program, ...args], options: {} }
}

async function passable(path: string): Promise<boolean> {
  for (let at = path; ; at = dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false
    if (dirname(at) === at) return true
  }
}

/** `setpriv` is part of util-linux, which small images leave out. */
export function sentenceOf(error: NodeJS.ErrnoException): string {
  if (error.code !== 'ENOENT' || !error.message.includes('setpriv')) return error.message
  return 'as root it needs setpriv from util-linux; install that, or start as another user'
}
