import { describe, expect, it } from 'vitest'
import { publicAddress } from './config.ts'

describe('where a service is reached from outside', () => {
  const ports = { web: 3000, api: 4000, ingestion: 4100, runner: 5678 }

  it('is its own port beside the console of a machine without a reverse proxy', () => {
    const publicUrl = 'http://localhost:3000'
    expect(publicAddress({ publicUrl, ports }, 'api')).toBe('http://localhost:4000')
    expect(publicAddress({ publicUrl, ports }, 'ingestion')).toBe('http://localhost:4100')
  })

  it('is the public address behind a reverse proxy', () => {
    for (const publicUrl of ['https://soc.example.com', 'https://soc.example.com:8443']) {
      expect(publicAddress({ publicUrl, ports }, 'api')).toBe(publicUrl)
      expect(publicAddress({ publicUrl, ports }, 'ingestion')).toBe(publicUrl)
    }
  })
})
