import { expect, test } from 'vitest'
import { judgeBackups, judgeCertificates, judgeKeys, judgeProtection, judgeSecrets } from './key-checks.ts'
import { judgeModes } from './key-files.ts'

const now = new Date('2026-06-01T12:00:00Z')
const hour = 3_600_000
const day = 24 * hour
const ago = (ms: number) => new Date(now.getTime() - ms).toISOString()
const statuses = (checks: { id: string; status: string }[]) =>
  Object.fromEntries(checks.map(({ id, status }) => [id, status]))

type Lines = Parameters<typeof judgeKeys>[0]
const line = (key: string, age: number, period: number, state: 'active' | 'pending' = 'active'): Lines[number] => ({
  key,
  versions: [{ version: 1, kid: null, state, createdAt: ago(age), activeAt: ago(age), endsAt: null }],
  nextRotationAt: ago(age - period),
})
const judged = (lines: Lines, isRunning = true) => statuses(judgeKeys(lines, { now, isRunning, keyMaxAgeMs: 7 * day }))

test('a rotation that is overdue fails while the platform runs, and waits for its start while it does not', () => {
  const young = [line('kek', 10 * day, 90 * day), line('access', day, 3 * day), line('plan', day, 3 * day)]
  expect(judged(young)).toEqual({ rotations: 'ok', kek: 'ok', signing: 'ok' })
  const late = [...young, line('authority', 91 * day, 90 * day)]
  expect(judged(late)['rotations']).toBe('fail')
  expect(judged(late, false)['rotations']).toBe('warn')
  // The keeper looks once a minute.
  expect(judged([...young, line('authority', 90 * day + 60_000, 90 * day)])['rotations']).toBe('ok')
})

test('a signing key fails at KEY_MAX_AGE, and where none signs', () => {
  const kek = line('kek', day, 90 * day)
  expect(judged([kek, line('access', 7 * day - 1, 3 * day)])['signing']).toBe('ok')
  expect(judged([kek, line('access', 7 * day, 3 * day)])['signing']).toBe('fail')
  expect(judged([kek, line('plan', day, 3 * day, 'pending')])['signing']).toBe('fail')
})

test('a key-encryption key fails when it is missing or two periods old', () => {
  expect(judged([])['kek']).toBe('fail')
  expect(judged([line('kek', 180 * day, 90 * day)], false)['kek']).toBe('fail')
})

test('a certificate is worth a look when it was not renewed, and fails when it has ended', () => {
  const service = (left: number) => ({
    service: 'api' as const,
    spiffeId: 'spiffe://redoubt.internal/service/api',
    version: null,
    startedAt: null,
    lastSeenAt: null,
    certificate: { serial: '01', notBefore: ago(day - left), notAfter: ago(-left) },
    denied: left < 0,
  })
  const of = (left: number) => statuses(judgeCertificates([service(left)], now))
  expect(of(12 * hour)).toEqual({ certificates: 'ok', 'deny-list': 'ok' })
  expect(of(3 * hour)['certificates']).toBe('warn')
  expect(of(-1)).toEqual({ certificates: 'fail', 'deny-list': 'warn' })
})

const s3 = {
  to: {
    kind: 's3',
    bucket: 'backups',
    prefix: '',
    endpoint: null,
    region: 'eu-central-1',
    accessKeyId: 'id',
    secret: 'backup/s3',
  },
  everyHours: 24,
  keep: 14,
} as const
const secret = (path: string, age = 0, renewedBy: string | null = null) => ({
  path,
  version: 1,
  writtenAt: ago(age),
  renewedBy,
})

test('a secret that the configuration refers to fails when it is missing; one that is old is worth a look', () => {
  const config = { databasePassword: 'database/owner', backup: s3 }
  const both = [secret('database/owner'), secret('backup/s3')]
  expect(statuses(judgeSecrets(both, config, now))).toEqual({ secrets: 'ok', 'secrets.age': 'ok' })
  expect(statuses(judgeSecrets([secret('backup/s3', 90 * day)], config, now))).toEqual({
    secrets: 'fail',
    'secrets.age': 'warn',
  })
  const own = secret('tls/authority', 300 * day, 'redoubt keys rotate authority renews it')
  expect(statuses(judgeSecrets([...both, own], config, now))['secrets.age']).toBe('ok')
})

test('backups fail when the newest is two periods old, when there is none, and when they cannot be listed', () => {
  const of = (stored: Parameters<typeof judgeBackups>[0]) =>
    statuses(judgeBackups(stored, [], { backup: s3 }, now))['backups']
  expect(of([{ createdAt: ago(47 * hour) }, { createdAt: ago(300 * hour) }])).toBe('ok')
  expect(of([{ createdAt: ago(50 * hour) }])).toBe('fail')
  expect(of([])).toBe('fail')
  expect(of(new Error('The backup storage does not answer.'))).toBe('fail')
  expect(statuses(judgeBackups(null, [], { backup: null }, now))['backups']).toBe('warn')
})

test('the recovery file is missed when it was never written, and when it is of an older key', () => {
  const of = (...secrets: Parameters<typeof judgeBackups>[1]) =>
    statuses(judgeBackups([], secrets, { backup: s3 }, now))['recovery']
  expect(of(secret('backup/key', day))).toBe('warn')
  expect(of(secret('backup/key', day), secret('backup/recovery', hour))).toBe('ok')
  expect(of(secret('backup/key', hour), secret('backup/recovery', day))).toBe('warn')
})

test('a file of keys fails when others can read it, or when it is somebody else’s', () => {
  const file = (mode: number, uid = 1000) => ({ path: '/srv/redoubt/keys/keks.json', mode, uid })
  const of = (...files: ReturnType<typeof file>[]) => judgeModes('keys.files', 'key files', files, 'rotate', 1000)
  expect(of(file(0o600)).status).toBe('ok')
  expect(of(file(0o640))).toMatchObject({ status: 'fail', mend: expect.stringContaining('chmod 600') })
  expect(of(file(0o600, 0))).toMatchObject({ status: 'fail', mend: expect.stringContaining('chown 1000') })
})

test('a master key that nothing protects is worth a look', () => {
  const of = (kind: 'plain' | 'passphrase' | 'shares' | null) =>
    judgeProtection({ kind, threshold: null, count: null }, '/srv/redoubt').status
  expect([of('plain'), of('passphrase'), of('shares'), of(null)]).toEqual(['warn', 'ok', 'ok', 'ok'])
})
