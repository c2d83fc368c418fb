import { createCertificateRequest, readCertificate, readRoots, verifySvid } from '@redoubt/trust'
import { beforeEach, describe, expect, it } from 'vitest'
import { ManualTime } from '../../test/manual-time.ts'
import { memoryStore } from '../../test/memory-store.ts'
import { IdentityDesk } from './identity-desk.ts'

const hour = 3_600_000
const trustDomain = 'redoubt.test'
const worker = { trustDomain, kind: 'service', name: 'worker' } as const

let time: ManualTime
let desk: IdentityDesk
let store: ReturnType<typeof memoryStore>
beforeEach(() => {
  time = new ManualTime()
  store = memoryStore()
  desk = new IdentityDesk(store, time, trustDomain)
})

const certify = () => desk.certify(worker, createCertificateRequest().requestPem)
/** Whether somebody who believes these roots takes this certificate now. */
function believed(certificatePem: string, rootsPem: readonly string[]): boolean {
  try {
    const rules = { trustDomain, roots: readRoots(rootsPem), now: time.now(), denied: () => false }
    return verifySvid(readCertificate(certificatePem), rules).spiffeId.kind === 'service'
  } catch {
    return false
  }
}

describe('the internal authority', () => {
  it('certifies for a day, and for no other trust domain', async () => {
    const { certificatePem, rootsPem } = await certify()
    expect(believed(certificatePem, rootsPem)).toBe(true)
    time.advance(25 * hour)
    expect(believed(certificatePem, rootsPem)).toBe(false)
    const elsewhere = { ...worker, trustDomain: 'elsewhere.test' }
    await expect(desk.certify(elsewhere, createCertificateRequest().requestPem)).rejects.toMatchObject({
      code: 'invalid',
    })
  })

  it('is rotated without a moment in which a good certificate is not believed', async () => {
    let held = await certify()
    /** A service that has not asked for an hour, at most. */
    let known = held.rootsPem
    await desk.rotate()
    for (let hours = 0; hours < 60; hours += 1) {
      // Everybody asks for the roots at least every hour, and for a certificate every half day.
      if (hours % 12 === 0) held = await certify()
      expect(believed(held.certificatePem, known), `after ${hours} h, by yesterday’s roots`).toBe(true)
      known = await desk.rootsPem()
      expect(believed(held.certificatePem, known), `after ${hours} h`).toBe(true)
      time.advance(hour)
    }
    expect(await desk.rootsPem()).toHaveLength(1)
  })

  it('no longer believes what its old key signs, once the window is over', async () => {
    const old = await certify()
    await desk.rotate()
    time.advance(26 * hour)
    await desk.tend()
    expect(await desk.rootsPem()).not.toContain(old.rootsPem[0])
    expect((await store.read('tls/authority'))?.value.reveal()).not.toContain(
      JSON.stringify(old.rootsPem[0]).slice(1, 200),
    )
  })

  it('rotates by itself at 90 days', async () => {
    await certify()
    time.advance(89 * 24 * hour)
    expect(await desk.tend()).toBe(false)
    time.advance(25 * hour)
    expect(await desk.tend()).toBe(true)
    expect(await desk.rootsPem()).toHaveLength(2)
  })
})

describe('the deny-list', () => {
  it('takes a subject once, and off again', async () => {
    await certify()
    await desk.deny('spiffe://redoubt.test/service/worker', 'taken over')
    await desk.deny('spiffe://redoubt.test/service/worker', 'taken over twice')
    expect((await desk.denials()).map(({ reason }) => reason)).toEqual(['taken over twice'])
    expect((await desk.list()).find(({ service }) => service === 'worker')?.denied).toBe(true)
    await desk.deny('spiffe://redoubt.test/service/worker', null)
    expect(await desk.denials()).toEqual([])
  })

  it('keeps a service without certificates until it is admitted', async () => {
    await desk.deny('spiffe://redoubt.test/service/worker', 'taken over')
    await expect(certify()).rejects.toMatchObject({ code: 'not_allowed' })
    time.advance(60 * 24 * hour)
    await expect(certify()).rejects.toMatchObject({ code: 'not_allowed' })
    await desk.deny('spiffe://redoubt.test/service/worker', null)
    expect((await certify()).certificatePem).toContain('CERTIFICATE')
  })

  it('forgets a revoked runner once no certificate of it can live, and nobody who was denied by hand', async () => {
    const runner =
      'spiffe://redoubt.test/runner/019f0000-0000-7000-8000-000000000001/019f0000-0000-7000-8000-000000000002'
    await desk.deny(runner, 'revoked', new Date(time.now().getTime() + 25 * hour))
    await desk.deny('01ab', 'denied by hand')
    time.advance(24 * hour)
    expect(await desk.denials()).toHaveLength(2)
    time.advance(2 * hour)
    expect((await desk.denials()).map(({ subject }) => subject)).toEqual(['01ab'])
  })

  it('names a certificate by its serial as well', async () => {
    await certify()
    const serial = (await desk.list()).find(({ service }) => service === 'worker')?.certificate?.serial as string
    await desk.deny(serial, 'lost')
    expect((await desk.list()).find(({ service }) => service === 'worker')?.denied).toBe(true)
  })
})
