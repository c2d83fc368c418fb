import { defineConfig } from 'vitest/config'
import type { Reporter } from 'vitest/node'

/** The last line, in a form that any script can read: `N passed, N failed`. A file that cannot be read counts as failed. */
const closingLine: Reporter = {
  onTestRunEnd(modules, unhandled) {
    const count = { passed: 0, failed: unhandled.length, skipped: 0, pending: 0 }
    for (const module of modules) {
      count.failed += module.errors().length
      for (const test of module.children.allTests()) count[test.result().state] += 1
    }
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : ''
    process.on('exit', () =>
      process.stdout.write(`${count.passed} passed, ${count.failed + count.pending} failed${skipped}\n`),
    )
  },
}

export default defineConfig({
  test: {
    include: ['packages/*/{src,test}/**/*.test.{ts,tsx}', 'test/**/*.test.ts'],
    globalSetup: ['packages/server/test/cluster.ts'],
    reporters: ['default', closingLine],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // A second is short for a process on a busy machine; what is asked again is answered as soon as it is so.
    expect: { poll: { timeout: 20_000 } },
  },
})
