import { describe, expect, it } from 'vitest'
import { apiAddress, isRefusedAddress, runnerOrigin } from './rules.ts'

describe('the address of a runner', () => {
  it('is an origin and nothing else, so that enrolling cannot aim the push at a path inside the network', () => {
    expect(runnerOrigin('http://10.101.0.4:5678')).toBe('http://10.101.0.4:5678')
    expect(runnerOrigin('https://runner.example.com/')).toBe('https://runner.example.com')
    for (const url of ['http://h/admin', 'http://h/?a=1', 'http://h/#a', 'http://u:p@h/']) {
      expect(() => runnerOrigin(url), url).toThrow('not valid')
    }
  })

  it('is never one of a metadata service, in any spelling', () => {
    for (const url of [
      'http://169.254.169.254',
      'http://0xa9fea9fe',
      'http://[fe80::1]',
      'http://[::ffff:169.254.169.254]',
      'http://0.0.0.0',
    ]) {
      expect(() => runnerOrigin(url), url).toThrow('not valid')
    }
    for (const host of ['127.0.0.1', '[::1]', '10.0.0.1', '192.168.3.4', '[fd00::1]', 'runner.example.com']) {
      expect(isRefusedAddress(host), host).toBe(false)
    }
  })
})

describe('where runners reach the platform', () => {
  const ports = { web: 3000, api: 4000, ingestion: 4100, runner: 5678 }
  it('is the port of the api beside the console, or the public address behind a reverse proxy', () => {
    expect(apiAddress({ publicUrl: 'http://localhost:3000', ports })).toBe('http://localhost:4000')
    expect(apiAddress({ publicUrl: 'https://soc.example.com', ports })).toBe('https://soc.example.com')
    expect(apiAddress({ publicUrl: 'https://soc.example.com:8443', ports })).toBe('https://soc.example.com:8443')
  })
})
