import { describe, expect, it } from 'vitest'
import { allAt, at, parsePath } from './paths.ts'
import { cleanLine, cleanText, isPlaceholder } from './sanitize.ts'
import { severityOfAny, severityOfHundred, severityOfSyslog, severityOfTen, severityOfWord } from './severity.ts'
import { parseTextLine } from './text-line.ts'
import { parseTime, timeWithin } from './time.ts'

describe('severity', () => {
  it.each([
    ['High', 'high'],
    ['SEV_040_HIGH', 'high'],
    ['WARN', 'medium'],
    ['4 - high', 'high'],
    ['P1', 'critical'],
    ['sev3', 'medium'],
    ['emerg', 'critical'],
    ['alert', 'critical'],
    ['alert: low', 'low'],
    ['SEVERITY_INFORMATIONAL', 'informational'],
    ['purple', null],
    ['', null],
  ])('the word %s is %s', (word, severity) => {
    expect(severityOfWord(word)).toBe(severity)
  })

  it('numbers follow the bands of their scale', () => {
    expect([0, 0.1, 3.9, 4, 6.9, 7, 8.9, 9, 10].map(severityOfTen)).toEqual([
      'informational',
      'low',
      'low',
      'medium',
      'medium',
      'high',
      'high',
      'critical',
      'critical',
    ])
    expect([0, 39, 40, 70, 90].map(severityOfHundred)).toEqual(['informational', 'low', 'medium', 'high', 'critical'])
    expect([0, 3, 4, 6, 7, 8].map(severityOfSyslog)).toEqual([
      'critical',
      'high',
      'medium',
      'informational',
      'informational',
      null,
    ])
    expect([
      severityOfAny('73'),
      severityOfAny(7.3),
      severityOfAny(-1),
      severityOfAny(1e9),
      severityOfAny(null),
    ]).toEqual(['high', 'high', null, null, null])
  })
})

describe('time', () => {
  const receivedAt = new Date('2026-01-15T00:00:00Z')
  it.each([
    ['2026-01-07T19:54:41.712927+0000', '2026-01-07T19:54:41.712Z'],
    ['2026-01-07T19:54:41+02:00', '2026-01-07T17:54:41.000Z'],
    ['2026-01-07T19:54:41', '2026-01-07T19:54:41.000Z'],
    ['2026-02-15 14:59:03.266529825 +0000 UTC', '2026-02-15T14:59:03.266Z'],
    ['2026/08/14 21:28:56 GMT', '2026-08-14T21:28:56.000Z'],
    ['20-May-2026 09:08:10', '2026-05-20T09:08:10.000Z'],
    ['10/Oct/2026:13:55:36 -0700', '2026-10-10T20:55:36.000Z'],
    ['Sep 14 2026 13:58:33', '2026-09-14T13:58:33.000Z'],
    ['Tue Aug 12 08:26:30 2026', '2026-08-12T08:26:30.000Z'],
    ['Mon, 02 Mar 2026 10:00:00 +0100', '2026-03-02T09:00:00.000Z'],
    ['Mar 02, 2026 01:02:03 PM', '2026-03-02T13:02:03.000Z'],
    ['06/30/2026 10:12:33 AM', '2026-06-30T10:12:33.000Z'],
    ['30/06/2026 10:12:33', '2026-06-30T10:12:33.000Z'],
    ['/Date(1772400000123)/', '2026-03-01T21:20:00.123Z'],
    ['1772400000', '2026-03-01T21:20:00.000Z'],
    ['1772400000.5', '2026-03-01T21:20:00.500Z'],
    [1772400000123, '2026-03-01T21:20:00.123Z'],
    ['1772400000123456', '2026-03-01T21:20:00.123Z'],
    ['1772400000123456789', '2026-03-01T21:20:00.123Z'],
    ['134168736000000000', '2026-03-01T21:20:00.000Z'],
  ])('%s is %s', (value, iso) => {
    expect(parseTime(value, receivedAt)?.toISOString()).toBe(iso)
  })

  it('gives a syslog time the last year in which it is not in the future', () => {
    expect(parseTime('Jan 14 10:00:00', receivedAt)?.toISOString()).toBe('2026-01-14T10:00:00.000Z')
    expect(parseTime('Dec 31 23:59:59', receivedAt)?.toISOString()).toBe('2025-12-31T23:59:59.000Z')
    expect(parseTime('Dec 31 23:59:59')).toBeNull()
  })

  it('is found inside a log line', () => {
    for (const text of [
      '1.2.3.4 - - [02/Mar/2026:11:00:00 +0100] "GET / HTTP/1.1"',
      '1,2026/03/02 10:00:00,0123',
      '"2026-03-02 10:00:00","x"',
      'Mon Mar  2 10:00:00 2026 us=1',
    ]) {
      expect(timeWithin(text)?.toISOString(), text).toBe('2026-03-02T10:00:00.000Z')
    }
    expect(timeWithin('no time 12:00 here')).toBeNull()
  })

  it('prefers no time to a wrong one', () => {
    for (const value of [
      '03/04/2026 10:00:00',
      'soon',
      '',
      42,
      -1,
      '2026-13-01',
      '2026-01-01T25:99:00',
      '0',
      0,
      'x'.repeat(1000),
      null,
      {},
    ]) {
      expect(parseTime(value, receivedAt), String(value)).toBeNull()
    }
  })
})

describe('paths', () => {
  const value = { a: { b: [{ c: 1 }, { c: 2 }], 'd.e': 'dotted' }, list: [[{ x: 'y' }]] }

  it('walk keys, indexes, quoted keys and the first of a list', () => {
    expect(at(value, parsePath('a.b[1].c'))).toBe(2)
    expect(at(value, parsePath('a.b.c'))).toBe(1)
    expect(at(value, parsePath('a["d.e"]'))).toBe('dotted')
    expect(allAt(value, parsePath('a.b.c'))).toEqual([1, 2])
  })

  it.each(['', '.', 'a.', 'a..b', '[x]', 'a["', '.a'])('refuse %j', (text) => {
    expect(() => parsePath(text)).toThrow(TypeError)
  })

  it('reach own properties only', () => {
    for (const path of ['constructor', '__proto__.toString', 'a.hasOwnProperty', 'list.length.x']) {
      expect(at(value, parsePath(path))).toBeUndefined()
    }
  })
})

describe('text from outside', () => {
  it('comes out as one bounded line without control or direction characters', () => {
    expect(cleanLine(' a\u0000b\r\n\tc\u202Egpj.exe\u0007 ', 300)).toBe('a b c gpj.exe')
    expect(cleanLine('x'.repeat(400), 300)).toHaveLength(300)
    expect(cleanLine('\ud83d', 10)).toBe('\ufffd')
    expect(cleanText('line 1\nline\t2\u0000', 100)).toBe('line 1\nline\t2')
  })

  it('knows what stands for a missing value', () => {
    for (const text of ['-', 'n/a', 'NULL', 'None', '(unknown)', '***', 'REDACTED'])
      expect(isPlaceholder(text)).toBe(true)
    for (const text of ['none of us', 'root', '0', 'nan']) expect(isPlaceholder(text)).toBe(false)
  })
})

describe('log lines', () => {
  it('CEF values keep their spaces, and a label names its custom field', () => {
    const line = parseTextLine('CEF:0|V|P\\|Q|1|sig|Name here|7|msg=a b c=d cs1=x y cs1Label=Rule name src=10.0.0.1')
    expect(line).toMatchObject({ format: 'cef', header: { product: 'P|Q', name: 'Name here', severity: '7' } })
    expect(Object.fromEntries(line.fields)).toEqual({ msg: 'a b', c: 'd', 'Rule name': 'x y', src: '10.0.0.1' })
  })

  it('LEEF splits at its own delimiter', () => {
    expect(parseTextLine('LEEF:2.0|V|P|1|ID|x5E|a=1^b=two words').fields).toEqual([
      ['a', '1'],
      ['b', 'two words'],
    ])
    expect(parseTextLine('LEEF:1.0|V|P|1|ID|a=1\tb=2').fields).toEqual([
      ['a', '1'],
      ['b', '2'],
    ])
  })

  it('a syslog header is taken off and kept', () => {
    expect(parseTextLine('<165>1 2026-03-02T05:06:07.123Z host.corp app 991 ID47 - key=1 other=2')).toMatchObject({
      format: 'pairs',
      header: { syslog_level: '5', timestamp: '2026-03-02T05:06:07.123Z', hostname: 'host.corp' },
    })
    expect(parseTextLine('<34>Oct 11 22:14:15 box su[231]: plain text')).toMatchObject({
      format: 'plain',
      header: { syslog_level: '2', hostname: 'box', process_name: 'su' },
      rest: 'plain text',
    })
  })

  it('JSON behind a header is read as JSON, pairs keep quoted values whole', () => {
    expect(parseTextLine('@cee: {"a": {"b": 1}}')).toMatchObject({ format: 'json', json: { a: { b: 1 } } })
    expect(parseTextLine(`a="x \\"y\\" z", b='it', "c"="d"`).fields).toEqual([
      ['a', 'x "y" z'],
      ['b', 'it'],
      ['c', 'd'],
    ])
    expect(parseTextLine('one = sign only in a sentence').format).toBe('plain')
  })
})
