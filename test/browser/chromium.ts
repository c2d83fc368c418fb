/**
 * A real Chromium from npm for browser tests, needing nothing but `npm ci`.
 *
 * The package ships the browser, the NSS libraries it links and a typeface as Brotli archives. They are unpacked once
 * into `node_modules/.cache` and always used, whatever the machine has installed, so that a bare machine and a
 * developer's run the same browser. `CHROMIUM_PATH` names another executable and skips all of that.
 */
import { randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, normalize } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliDecompress, createBrotliDecompress } from 'node:zlib'
import { type Browser, chromium } from 'playwright-core'

export type Chromium = {
  /** Absolute path of the executable. */
  readonly executable: string
  /** Variables the process needs to find its libraries and typefaces; empty for `CHROMIUM_PATH`. */
  readonly env: Readonly<Record<string, string>>
}

const flags = [
  // The sandbox needs user namespaces or a setuid helper, which containers and root rarely have. The pages under test
  // are our own.
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-dev-shm-usage',
  '--disable-domain-reliability',
  '--disable-gpu',
  '--disable-sync',
  '--font-render-hinting=none',
  '--metrics-recording-only',
  '--no-first-run',
  '--no-pings',
]

/** Starts a headless browser. The caller closes it. Throws when the machine cannot run the packaged executable. */
export async function launchBrowser(): Promise<Browser> {
  const { executable, env } = await findChromium()
  return chromium.launch({ executablePath: executable, args: flags, env: { ...process.env, ...env } })
}

/** Finds the executable of `CHROMIUM_PATH`, or unpacks the packaged one (about 3 s, once). */
export async function findChromium(): Promise<Chromium> {
  const chosen = process.env['CHROMIUM_PATH']
  if (chosen) {
    await access(chosen).catch(() => {
      throw new Error(`CHROMIUM_PATH is ${chosen}, which does not exist; unset it to use the packaged Chromium.`)
    })
    return { executable: chosen, env: {} }
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(
      `The packaged Chromium runs on linux-x64, not ${process.platform}-${process.arch}; set CHROMIUM_PATH to a Chromium or Chrome executable.`,
    )
  }
  const home = await unpacked()
  const libraries = [join(home, 'lib'), process.env['LD_LIBRARY_PATH']].filter(Boolean).join(':')
  return {
    executable: join(home, 'chromium'),
    env: { LD_LIBRARY_PATH: libraries, FONTCONFIG_FILE: join(home, 'fonts.conf') },
  }
}

let unpacking: Promise<string> | undefined

function unpacked(): Promise<string> {
  unpacking ??= writableCache().then(unpackChromium)
  return unpacking
}

/** Unpacks the packaged Chromium below `cache` unless it is there, and returns its directory. */
export async function unpackChromium(cache: string): Promise<string> {
  const packageFile = createRequire(import.meta.url).resolve('@sparticuz/chromium')
  const packageHome = join(packageFile.slice(0, packageFile.lastIndexOf('@sparticuz')), '@sparticuz', 'chromium')
  const { version } = JSON.parse(await readFile(join(packageHome, 'package.json'), 'utf8')) as { version: string }
  const home = join(cache, `chromium-${version}`)
  if (await exists(join(home, 'chromium'))) return home

  // Test files run in parallel processes: each unpacks into a directory of its own and the first rename wins, so that
  // nobody ever starts a half-written executable.
  const draft = join(cache, `.chromium-${version}-${process.pid}-${randomUUID()}`)
  await mkdir(draft, { recursive: true })
  try {
    const archives = join(packageHome, 'bin')
    await pipeline(
      createReadStream(join(archives, 'chromium.br')),
      createBrotliDecompress(),
      createWriteStream(join(draft, 'chromium'), { mode: 0o755 }),
    )
    for (const archive of ['al2023.tar.br', 'fonts.tar.br', 'swiftshader.tar.br']) {
      await extract(await promisify(brotliDecompress)(await readFile(join(archives, archive))), draft)
    }
    await writeFile(join(draft, 'fonts.conf'), fontConfiguration)
    await rename(draft, home)
  } catch (error) {
    if (!(await exists(join(home, 'chromium')))) throw error
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return home
}

/** `node_modules/.cache`, or the temporary directory where the checkout is read-only. */
async function writableCache(): Promise<string> {
  const checkout = fileURLToPath(new URL('../../node_modules/.cache/redoubt', import.meta.url))
  for (const directory of [checkout, join(tmpdir(), `redoubt-browser-${process.getuid?.() ?? 0}`)]) {
    try {
      await mkdir(directory, { recursive: true })
      const probe = join(directory, `.probe-${randomUUID()}`)
      await writeFile(probe, '')
      await rm(probe)
      return directory
    } catch {}
  }
  throw new Error(`Neither ${checkout} nor ${tmpdir()} can be written to, so Chromium cannot be unpacked.`)
}

/** Extracts regular files of a ustar archive (POSIX.1-1988 §10.1.1): 512-byte headers, sizes in octal. */
async function extract(archive: Buffer, target: string): Promise<void> {
  let offset = 0
  while (offset + 512 <= archive.length) {
    const header = archive.subarray(offset, offset + 512)
    const name = text(header, 0, 100)
    if (name === '') return
    const size = Number.parseInt(text(header, 124, 12), 8)
    const isFile = header[156] === 0x30 || header[156] === 0
    if (isFile) {
      const path = join(target, normalize(`/${name}`))
      await mkdir(dirname(path), { recursive: true })
      const mode = Number.parseInt(text(header, 100, 8), 8) & 0o777
      await writeFile(path, archive.subarray(offset + 512, offset + 512 + size), { mode })
    }
    offset += 512 + Math.ceil(size / 512) * 512
  }
}

function text(header: Buffer, start: number, length: number): string {
  return header
    .toString('latin1', start, start + length)
    .replace(/\0.*$/s, '')
    .trim()
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

// The directory is relative to this file, so that it survives the rename. The packaged typeface stands in for the
// system's, so that screenshots agree between machines; system directories only add what it lacks (monospace).
const fontConfiguration = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
  <alias binding="strong"><family>system-ui</family><prefer><family>Open Sans</family></prefer></alias>
  <alias binding="strong"><family>sans-serif</family><prefer><family>Open Sans</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family><family>Open Sans</family></prefer></alias>
</fontconfig>
`
