import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'

/** A page that remembers everything that must not happen on it. */
export type WatchedPage = {
  readonly page: Page
  /** Violations of the content security policy and of Trusted Types, and uncaught errors, in order. */
  readonly faults: readonly string[]
  /** Closes the page and its context. */
  readonly close: () => Promise<void>
}

/** Opens a page in a context of its own: no cookies, storage or cache of another test. */
export async function openWatchedPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext({
    reducedMotion: 'reduce',
    viewport: { width: 1280, height: 800 },
    ...options,
  })
  const faults: string[] = []
  // A listener in the page hears what the console leaves out, such as violations inside of shadow roots.
  await context.exposeBinding('reportViolation', (_source, text: string) => void faults.push(text))
  await context.addInitScript({
    content: `document.addEventListener('securitypolicyviolation', (event) => reportViolation(
      event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sourceFile + ':' + event.lineNumber))`,
  })
  const page = await context.newPage()
  page.on('pageerror', (error) => faults.push(`uncaught ${error.message}`))
  page.on('console', (message) => {
    const text = message.text()
    // An answer with an error status is logged by the browser itself and is no fault of the page.
    if (message.type() === 'error' && !text.startsWith('Failed to load resource')) faults.push(text)
  })
  return { page, faults, close: () => context.close() }
}

/**
 * What axe finds on the present state of the page against WCAG 2.2 A and AA and calls serious or critical, one line
 * each. axe runs in a world of its own, so that the policy of the page is neither in its way nor loosened.
 */
export async function seriousFindings(page: Page): Promise<readonly string[]> {
  axe ??= readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  const session = await page.context().newCDPSession(page)
  const { frameTree } = await session.send('Page.getFrameTree')
  const { executionContextId } = await session.send('Page.createIsolatedWorld', {
    frameId: frameTree.frame.id,
    worldName: 'axe',
  })
  const run = `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }).then((result) =>
    result.violations
      .filter((violation) => violation.impact === 'serious' || violation.impact === 'critical')
      .map((violation) => violation.id + ': ' + violation.nodes.map((node) => node.html.slice(0, 160)).join(' | ')))`
  await session.send('Runtime.evaluate', { expression: await axe, contextId: executionContextId })
  const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
    expression: run,
    contextId: executionContextId,
    awaitPromise: true,
    returnByValue: true,
  })
  await session.detach()
  if (exceptionDetails) throw new Error(`axe could not run: ${exceptionDetails.text}`)
  return result.value as string[]
}

let axe: Promise<string> | undefined
