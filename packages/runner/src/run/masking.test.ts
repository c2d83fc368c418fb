import { describe, expect, it } from 'vitest'
import { maskPersonalData } from './masking.ts'

describe('masking', () => {
  it.each([
    ['mail anna.b+x@mail.example.co.uk now', 'mail [e-mail] now'],
    ['<jürgen@müller.example>', '<[e-mail]>'],
    ['call +44 20 7946 0958.', 'call [number].'],
    ['call (030) 1234-5678', 'call [number]'],
    ['tel:+14155550123', 'tel:[number]'],
    ['+44 20 7946 0958 at 203.0.113.7', '[number] at 203.0.113.7'],
    ['1.415.555.0123', '[number]'],
    ['0049 171 1234567, 030 12345678', '[number], [number]'],
  ])('hides who is meant: %s', (text, masked) => {
    expect(maskPersonalData(text)).toBe(masked)
  })

  it.each([
    '203.0.113.7',
    'from 203.0.113.7:8443 to 10.0.0.1',
    '192.168.100.0/24, 192.168.100.1-192.168.100.99',
    'from 203.0.113.7 198.51.100.200 5',
    'case 1234567',
    '2026-01-31',
    '2026-01-31T10:00:00Z',
    'd41d8cd98f00b204e9800998ecf8427e',
    '0123456789abcdef',
    '2001:db8::12345678',
    '3f2504e0-4f89-11d3-9a0c-0305e82c3301',
    'CVE-2024-12345',
    'T1059.001',
  ])('leaves what a responder needs: %s', (text) => {
    expect(maskPersonalData(text)).toBe(text)
  })
})
