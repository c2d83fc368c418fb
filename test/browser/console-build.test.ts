import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchBrowser } from './chromium.ts'
import { serveStatic } from './static-console.ts'
import { openWatchedPage, seriousFindings } from './watched-page.ts'

const consoleHome = fileURLToPath(new URL('../../packages/console', import.meta.url))
const vite = fileURLToPath(new URL('../../node_modules/vite/bin/vite.js', import.meta.url))

type Manifest = Record<
  string,
  { file: string; isEntry?: boolean; imports?: string[]; dynamicImports?: string[]; css?: string[] }
>

let dist: string
let manifest: Manifest

beforeAll(async () => {
  dist = await mkdtemp(join(tmpdir(), 'redoubt-console-'))
  const { NODE_ENV: _, ...env } = process.env
  await promisify(execFile)(process.execPath, [vite, 'build', '--outDir', dist, '--emptyOutDir'], {
    cwd: consoleHome,
    env,
  })
  manifest = JSON.parse(await readFile(join(dist, '.vite/manifest.json'), 'utf8')) as Manifest
})
afterAll(() => rm(dist, { recursive: true, force: true }))

/** Everything that is loaded with a chunk before any page is asked for. */
function reach(key: string, seen = new Set<string>()): Set<string> {
  if (!seen.has(key)) {
    seen.add(key)
    for (const next of manifest[key]?.imports ?? []) reach(next, seen)
  }
  return seen
}
const entry = () => Object.entries(manifest).find(([, chunk]) => chunk.isEntry)?.[0] ?? expect.fail('no entry')
const gzipped = async (key: string) => gzipSync(await readFile(join(dist, manifest[key]?.file ?? ''))).byteLength

describe('the built console', () => {
  test('starts with at most 250 KB of script, gzipped', async () => {
    const sizes = await Promise.all([...reach(entry())].map(gzipped))
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(250_000)
  })

  test('loads each page, the editor and the graph only when they are asked for', () => {
    const first = reach(entry())
    const split = Object.keys(manifest).filter((key) => /^src\/pages\/.*\.tsx$/.test(key))
    expect(split.length).toBeGreaterThanOrEqual(18)
    for (const key of [
      ...split,
      'src/components/flow.tsx',
      'src/components/yaml-editor.tsx',
      'src/frame/palette.tsx',
    ]) {
      expect(manifest[key], key).toBeDefined()
      expect(first.has(key), key).toBe(false)
    }
  })

  test('has no inline script, style or handler in its document', async () => {
    const html = await readFile(join(dist, 'index.html'), 'utf8')
    expect(html).not.toMatch(/<style|\sstyle=|\son[a-z]+=|javascript:/i)
    for (const [, attributes = '', body = ''] of html.matchAll(/<script([^>]*)>(.*?)<\/script>/gs)) {
      expect(attributes).toContain('src="/assets/')
      expect(body.trim()).toBe('')
    }
  })

  test('ships no validator and no line of the server', async () => {
    for (const { file } of Object.values(manifest)) {
      if (!file.endsWith('.js')) continue
      const script = await readFile(join(dist, file), 'utf8')
      expect(script, file).not.toMatch(/ZodError|kysely|fastify|new Function\(/)
    }
  })
})

describe('in a browser under the strict policy, with the platform down', () => {
  let browser: Browser
  let server: Awaited<ReturnType<typeof serveStatic>>
  beforeAll(async () => {
    browser = await launchBrowser()
    server = await serveStatic(dist)
  })
  afterAll(async () => {
    await browser?.close()
    await server?.stop()
  })

  test.each(['/sign-in', '/setup?token=abcdefghijklmnopqrst', '/setup', '/no/such/page'])(
    '%s violates nothing and is accessible',
    async (path) => {
      for (const colorScheme of ['light', 'dark'] as const) {
        const { page, faults, close } = await openWatchedPage(browser, { colorScheme })
        await page.goto(server.url + path)
        await page.locator('h1, h2').first().waitFor()
        expect(await seriousFindings(page)).toEqual([])
        expect(faults).toEqual([])
        await close()
      }
    },
  )

  test('a deep link says that the platform does not answer and offers another try', async () => {
    const { page, faults, close } = await openWatchedPage(browser, { viewport: { width: 390, height: 844 } })
    await page.goto(`${server.url}/o/northwind/inbox`)
    await page.getByRole('button', { name: 'Try again' }).waitFor()
    expect(await page.getByRole('alert').textContent()).toContain('does not answer')
    expect(faults).toEqual([])
    await close()
  })

  test('the watch on the policy sees a violation when there is one', async () => {
    const { page, faults, close } = await openWatchedPage(browser)
    await page.goto(`${server.url}/sign-in`)
    await page.evaluate("document.head.append(Object.assign(document.createElement('style'), { textContent: 'p {}' }))")
    await expect.poll(() => faults.join()).toContain('style-src')
    await expect(page.evaluate("document.body.innerHTML = '<p>'")).rejects.toThrow('TrustedHTML')
    await close()
  })
})
