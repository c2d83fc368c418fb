import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'

test('the browser-safe door reaches nothing but WebCrypto: no module behind it imports from outside this folder', () => {
  const seen = new Set<string>()
  const visit = (file: string): void => {
    if (seen.has(file)) return
    seen.add(file)
    const source = readFileSync(resolve(import.meta.dirname, file), 'utf8')
    expect(source, file).not.toMatch(/\b(Buffer|process|require)\b[.([]/)
    for (const [, target] of source.matchAll(/(?:from|import\()\s*'([^']+)'/g)) {
      expect(target, file).toMatch(/^\.\/[a-z0-9-]+\.ts$/)
      visit(target!)
    }
  }
  visit('proof.ts')
  expect(seen.size).toBeGreaterThan(5)
})
