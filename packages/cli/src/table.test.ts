import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { displayJson, displayText, displayWidth, shorten } from './display-text.ts'
import { card, table } from './table.ts'

const plain = { width: 80, color: false }
const columns = [
  { head: 'ID', value: (row: { id: string; title: string }) => row.id, whole: true },
  { head: 'TITLE', value: (row: { id: string; title: string }) => row.title },
] as const

describe('a table', () => {
  it('aligns its columns and stays within the width, cutting what may be cut', () => {
    const rows = [
      { id: 'a', title: 'short' },
      { id: 'bbbb', title: 'x'.repeat(200) },
    ]
    expect(table(rows, columns, 'none')({ ...plain, width: 30 }).split('\n')).toEqual([
      'ID    TITLE',
      'a     short',
      `bbbb  ${'x'.repeat(23)}…`,
    ])
  })

  it('never cuts an id, and is bounded by the width whatever the texts are', () => {
    const anything = fc.string({ unit: 'grapheme', maxLength: 300 })
    fc.assert(
      fc.property(fc.array(anything, { minLength: 1 }), fc.integer({ min: 60, max: 200 }), (titles, width) => {
        const id = '0190a3c2-7d5e-7c1a-9f00-3b2a1c0d9e8f'
        const lines = table(
          titles.map((title) => ({ id, title })),
          columns,
          'none',
        )({ ...plain, width }).split('\n')
        expect(lines).toHaveLength(titles.length + 1)
        for (const line of lines.slice(1)) expect(line.startsWith(id)).toBe(true)
        for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(width)
      }),
    )
  })

  it('says so when there is nothing', () => {
    expect(table([], columns, 'No sources yet.')(plain)).toBe('No sources yet.')
  })

  it('has no escape sequences unless colours were asked for', () => {
    const rows = [{ id: 'a', title: 'b' }]
    expect(table(rows, columns, '')(plain)).not.toContain('\u001b')
    expect(card([['name', 'value']])(plain)).not.toContain('\u001b')
    expect(table(rows, columns, '')({ ...plain, color: true })).toContain('\u001b[1m')
  })
})

test('a card shows every line of a value under its name', () => {
  expect(
    card([
      ['note', 'one\ntwo'],
      ['by', null],
    ])(plain),
  ).toBe('note  one\n      two\nby    –')
})

describe('what strangers wrote', () => {
  it('cannot move the cursor, clear the screen, set the title or turn the reading direction', () => {
    const hostile = 'ok\u001b[2J\u001b]0;owned\u0007\u009b31m\u202egnp.exe\r\nnext'
    expect(displayText(hostile)).toBe('ok\\u{1b}[2J\\u{1b}]0;owned\\u{7}\\u{9b}31m\\u{202e}gnp.exe next')
  })

  it('is printed without any control or format character, whatever it is, also as JSON of the same value', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(displayText(text)).not.toMatch(/(?![\u200c\u200d])[\p{Cc}\p{Cf}]/u)
        const json = displayJson({ text })
        expect(json.replaceAll('\n', '')).not.toMatch(/(?![\u200c\u200d])[\p{Cc}\p{Cf}]/u)
        expect(JSON.parse(json)).toEqual({ text })
      }),
    )
  })

  it('is measured in the columns a terminal gives it', () => {
    expect([displayWidth('abc'), displayWidth('警報'), displayWidth('é')]).toEqual([3, 4, 1])
    expect(shorten('警報警報', 5)).toBe('警報…')
  })
})
