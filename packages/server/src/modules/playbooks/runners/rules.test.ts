import { describe, expect, it } from 'vitest'
import { isRefusedAddress, runnerOrigin } from './rules.ts'

describe('the address of a runner', () => {
  it('is an origin and nothing else, so that enrolling cannot aim the push at a path inside the network', () => {
    expect(runnerOrigin('https://10.101.0.4:5678')).toBe('https://10.101.0.4:5678')
    expect(runnerOrigin('https://runner.example.com/')).toBe('https://runner.example.com')
    for (const url of ['https://h/admin', 'https://h/?a=1', 'https://h/#a', 'https://u:p@h/']) {
      expect(() => runnerOrigin(url), url).toThrow('not valid')
    }
  })

  it('is reached over TLS alone', () => {
    expect(() => runnerOrigin('http://10.101.0.4:5678')).toThrow('not valid')
  })

  it('is never one of a metadata service, in any spelling', () => {
    for (const url of [
      'https://169.254.169.254',
      'https://0xa9fea9fe',
      'https://[fe80::1]',
      'https://[::ffff:169.254.169.254]',
      'https://0.0.0.0',
    ]) {
      expect(() => runnerOrigin(url), url).toThrow('not valid')
    }
    for (const host of ['127.0.0.1', '[::1]', '10.0.0.1', '192.168.3.4', '[fd00::1]', 'runner.example.com']) {
      expect(isRefusedAddress(host), host).toBe(false)
    }
  })
})
