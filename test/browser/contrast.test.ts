import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

type Theme = 'light' | 'dark'

const css = readFileSync(new URL('../../packages/console/src/styles/tokens.css', import.meta.url), 'utf8')
const tokens = new Map(
  [...css.matchAll(/--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);/g)].map(
    ([, name = '', light = '', dark = '']) => [name, { light, dark }],
  ),
)

/** Relative luminance of WCAG 2.2. */
function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

function contrast(front: string, back: string, theme: Theme): number {
  const of = (name: string) => luminance(tokens.get(name)?.[theme] ?? expect.fail(`no token ${name}`))
  const [high = 0, low = 0] = [of(front), of(back)].sort((a, b) => b - a)
  return (high + 0.05) / (low + 0.05)
}

const surfaces = ['canvas', 'surface', 'sunken', 'hover', 'accent-soft']
const texts = ['ink', 'quiet', 'faint', 'accent', 'danger', 'critical', 'high', 'medium', 'low', 'informational']
const marks = ['critical-mark', 'high-mark', 'medium-mark', 'low-mark', 'informational-mark', 'accent', 'control']

describe.each(['light', 'dark'] as const)('in the %s theme', (theme) => {
  it.each(texts)('%s reads on every surface (contrast 4.5)', (text) => {
    for (const surface of surfaces) {
      expect(contrast(text, surface, theme), `${text} on ${surface}`).toBeGreaterThanOrEqual(4.5)
    }
  })
  it.each(marks)('%s is seen on every surface it may mark (contrast 3)', (mark) => {
    for (const surface of ['canvas', 'surface']) {
      expect(contrast(mark, surface, theme), `${mark} on ${surface}`).toBeGreaterThanOrEqual(3)
    }
  })
  it('text on filled surfaces reads', () => {
    expect(contrast('on-accent', 'accent', theme)).toBeGreaterThanOrEqual(4.5)
    expect(contrast('on-accent', 'accent-hover', theme)).toBeGreaterThanOrEqual(4.5)
    expect(contrast('danger', 'danger-soft', theme)).toBeGreaterThanOrEqual(4.5)
    expect(contrast('surface', 'ink', theme)).toBeGreaterThanOrEqual(4.5)
  })
})
