import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { findChromium, launchBrowser, unpackChromium } from './chromium.ts'

const isPackaged = process.env['CHROMIUM_PATH'] === undefined

/** What any glibc system has because Node itself needs it. */
const ofTheSystem = /^(linux-vdso|ld-linux-x86-64|libc|libm|libdl|libpthread|librt|libgcc_s)\.so/

test.runIf(isPackaged)(
  'the browser links to nothing that `npm ci` did not bring, beyond what Node itself needs',
  async () => {
    const { executable, env } = await findChromium()
    const { stdout } = await promisify(execFile)(executable, [], {
      env: { ...env, LD_TRACE_LOADED_OBJECTS: '1' },
    })
    const borrowed = stdout
      .split('\n')
      .map((line) => /^\s*(\S+)(?: => (\S+))?/.exec(line))
      .filter((match) => match !== null)
      .map(([, name = '', path = name]) => ({ name: name.slice(name.lastIndexOf('/') + 1), path }))
      .filter(
        ({ name, path }) => !ofTheSystem.test(name) && !path.startsWith(env['LD_LIBRARY_PATH']?.split(':')[0] ?? '?'),
      )
    expect(stdout).toContain('libnss3.so')
    expect(borrowed).toEqual([])
  },
)

test('the browser starts and shows a page', async () => {
  const browser = await launchBrowser()
  try {
    const page = await browser.newPage()
    await page.setContent('<h1>Redoubt</h1>')
    expect(await page.getByRole('heading').textContent()).toBe('Redoubt')
    expect((await page.screenshot()).byteLength).toBeGreaterThan(1000)
  } finally {
    await browser.close()
  }
})

test.runIf(isPackaged)(
  'test processes that unpack at the same moment share one whole browser and leave nothing behind',
  async () => {
    const cache = await mkdtemp(join(tmpdir(), 'redoubt-unpack-'))
    try {
      const [first, second] = await Promise.all([unpackChromium(cache), unpackChromium(cache)])
      expect(second).toBe(first)
      expect(await readdir(cache)).toEqual([first.slice(cache.length + 1)])
      expect(await readdir(first)).toEqual(expect.arrayContaining(['chromium', 'lib', 'fonts', 'fonts.conf']))
    } finally {
      await rm(cache, { recursive: true, force: true })
    }
  },
)
