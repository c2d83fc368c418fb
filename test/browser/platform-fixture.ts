import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, BrowserContextOptions } from 'playwright-core'
import { startWeb } from '../../packages/server/src/services/web.ts'
import type { TestPerson } from '../../packages/server/test/harness.ts'
import { startResponseFixture } from '../../packages/server/test/response-fixture.ts'
import { launchBrowser } from './chromium.ts'
import { openWatchedPage, type WatchedPage } from './watched-page.ts'

export type BrowserFixture = Awaited<ReturnType<typeof startBrowserFixture>>

/** The production composition with its console, and a real browser in front of it. */
export async function startBrowserFixture() {
  requireFreshBuild()
  const response = await startResponseFixture()
  const { t } = response
  const web = await startWeb(t.kernel, t.databases.redoubt_api, t.live, t.operations, t.guards)
  t.onStop(web.stop)
  await t.startSequencer()
  const browser: Browser = await launchBrowser()
  // Plain HTTP is secure enough for a Secure cookie at this name alone; to set one by hand, https must be claimed.
  const url = web.url.replace('127.0.0.1', 'localhost')
  const secureUrl = url.replace('http:', 'https:')

  return {
    ...response,
    url,
    browser,

    /** A page of somebody who is not signed in. */
    visitor: (options: BrowserContextOptions = {}): Promise<WatchedPage> =>
      openWatchedPage(browser, { baseURL: url, ...options }),

    /** A page with the running session of this person. */
    async as(person: TestPerson, options: BrowserContextOptions = {}): Promise<WatchedPage> {
      const watched = await openWatchedPage(browser, { baseURL: url, ...options })
      await watched.page
        .context()
        .addCookies([
          { name: '__Host-redoubt', value: person.token, url: secureUrl, httpOnly: true, sameSite: 'Strict' },
        ])
      return watched
    },

    async stop(): Promise<void> {
      await browser.close()
      await t.stop()
    },
  }
}

/** The web service serves the built console: a stale build would let these tests prove something about yesterday. */
function requireFreshBuild(): void {
  const home = fileURLToPath(new URL('../../packages/console', import.meta.url))
  const built = join(home, 'dist', 'index.html')
  const builtAt = existsSync(built) ? statSync(built).mtimeMs : 0
  const newer = readdirSync(join(home, 'src'), { recursive: true, encoding: 'utf8' }).find(
    (file) =>
      !file.endsWith('.test.ts') &&
      statSync(join(home, 'src', file)).isFile() &&
      statSync(join(home, 'src', file)).mtimeMs > builtAt,
  )
  if (newer) {
    throw new Error(
      `The built console is older than packages/console/src/${newer}: run npm run build --workspace packages/console.`,
    )
  }
}
