import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { normalize } from '../adapters/normalize.ts'
import { collectObservables, extractObservables, MAX_OBSERVABLES } from './extract.ts'
import { OBSERVABLE_TYPES } from './observable.ts'
import { defang, refang } from './refang.ts'

const found = (payload: unknown): string[] => extractObservables(payload).map(({ type, value }) => `${type} ${value}`)
const inText = (text: string): string[] => found({ note: text })

describe('defanged indicators are read whole', () => {
  it.each([
    ['hxxp://evil[.]example[.]org/a', ['url http://evil.example.org/a', 'domain evil.example.org']],
    ['hXXps[:]//evil(.)example(dot)org', ['url https://evil.example.org', 'domain evil.example.org']],
    ['hxxps[://]bad{.}example{.}net/x', ['url https://bad.example.net/x', 'domain bad.example.net']],
    ['192[.]0[.]2[.]55 and 198.51.100[.]7', ['ipv4 192.0.2.55', 'ipv4 198.51.100.7']],
    ['joe[@]example[.]org, ann [at] example [dot] org', ['email joe@example.org', 'email ann@example.org']],
    ['evil[.example[.org', ['domain evil.example.org']],
  ])('%s', (text, expected) => {
    expect(inText(text)).toEqual(expected)
  })

  it('refang undoes defang for any URL, domain, address and e-mail', () => {
    const label = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}[a-z0-9]$/)
    const domain = fc.tuple(label, label, fc.constantFrom('com', 'org', 'co.uk')).map((parts) => parts.join('.'))
    const indicator = fc.oneof(
      domain,
      fc.ipV4(),
      fc.tuple(label, domain).map((parts) => parts.join('@')),
      fc
        .tuple(fc.constantFrom('http', 'https'), domain, fc.stringMatching(/^[a-z0-9/._?=&%-]{0,20}$/))
        .map(([scheme, host, path]) => `${scheme}://${host}/${path}`),
    )
    fc.assert(
      fc.property(fc.array(indicator, { maxLength: 5 }), (indicators) => {
        const text = indicators.join(' ')
        expect(refang(defang(text))).toBe(text)
        expect(defang(text)).not.toMatch(/https?:\/\/|[a-z0-9]\.[a-z0-9]|@[a-z]/)
      }),
    )
  })
})

describe('running text', () => {
  it.each([
    [
      'visit http://a.example.com/x?y=1, then (see https://b.example.org/(z)).',
      [
        'url http://a.example.com/x?y=1',
        'domain a.example.com',
        'url https://b.example.org/(z)',
        'domain b.example.org',
      ],
    ],
    ['connection 10.0.0.5:443 -> [2001:DB8::0:1]:53', ['ipv6 2001:db8::1', 'ipv4 10.0.0.5']],
    ['http://[2001:db8::5]:8080/p', ['url http://[2001:db8::5]:8080/p', 'ipv6 2001:db8::5']],
    ['::ffff:203.0.113.4 is one of ours', ['ipv4 203.0.113.4']],
    ['md5 d41d8cd98f00b204e9800998ecf8427e', ['md5 d41d8cd98f00b204e9800998ecf8427e']],
    [
      'SHA1=DA39A3EE5E6B4B0D3255BFEF95601890AFD80709,MD5=D41D8CD98F00B204E9800998ECF8427E',
      ['sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709', 'md5 d41d8cd98f00b204e9800998ecf8427e'],
    ],
    ['fixed in cve-2024-3094', ['cve CVE-2024-3094']],
    ['frames from AA-BB-CC-00-11-22 and aa:bb:cc:00:11:23', ['mac aa:bb:cc:00:11:23', 'mac aa:bb:cc:00:11:22']],
    ['mail from <Joe.Doe@Example.ORG> to x', ['email joe.doe@example.org']],
    ['bücher.example.de and xn--bcher-kva.example.de', ['domain xn--bcher-kva.example.de']],
  ])('%s', (text, expected) => {
    expect(inText(text).sort()).toEqual([...expected].sort())
  })

  it.each([
    'ran foo.py, setup.sh, cmd.exe, report.zip, lib.so and main.rs',
    'version 1.2.3.4, v10.0.0.1, Chrome/131.0.6778.86',
    'the networks 10.0.0.0/8 and 192.168.0.0/16',
    'System.Net.Http, user.name, event.id and console.log(x)',
    'it ended.In the morning all was well',
    'OID 1.3.6.1.4.1.8072.3.2.10 and 999.1.1.1 and 1.2.3',
    '127.0.0.1 ::1 0.0.0.0 255.255.255.255 224.0.0.1 00:00:00:00:00:00',
    'at 12:30:45 std::string Event::Endpoint a::b',
    'arn:aws:guardduty:eu-west-1:1:detector/16dd674a4cb5437c9a66d14f11839b02/finding/26dd674a4cb5437c9a66d14f11839b02',
    '00000000000000000000000000000000 d41d8cd98f00b204e9800998ecf8427 xd41d8cd98f00b204e9800998ecf8427e',
    'root logged in on server1',
  ])('finds nothing in: %s', (text) => {
    expect(inText(text)).toEqual([])
  })

  it('does not take links into the tool itself, nor what the vendor cites', () => {
    expect(
      found({
        description:
          'See https://falcon.crowdstrike.com/activity/1, https://security.microsoft.com/alerts/2 and https://usea1.sentinelone.net/x',
        alertWebUrl: 'https://tool.vendor-console.com/alerts/9',
        references: ['https://blog.example.com/post'],
        remediation: 'Download https://fix.example.com/patch',
      }),
    ).toEqual([])
  })
})

describe('named fields', () => {
  it.each<[string, unknown, string[]]>([
    [
      'users from keys only',
      { user: { name: 'CORP\\JDoe' }, suser: 'ann', UserName: '-', userAgent: 'Mozilla' },
      ['user jdoe', 'user ann'],
    ],
    [
      'a user that is an address',
      { actor: { alternateId: 'Lee@Corp.Example' } },
      ['email lee@corp.example', 'user lee@corp.example'],
    ],
    [
      'opaque user ids are no users',
      { userId: '00u1ab2cd3ef4gh5ij6kl7mn8', user: 'S-1-5-18', account: '210987654321' },
      [],
    ],
    [
      'hosts',
      { hostname: 'WS-12', computer_name: 'db1.corp.example.com', dvchost: '10.0.0.9' },
      ['host ws-12', 'host db1.corp.example.com', 'domain db1.corp.example.com', 'ipv4 10.0.0.9'],
    ],
    [
      'the host of a request is a domain',
      {
        http: { hostname: 'shop.example.com' },
        httpRequest: { headers: [{ name: 'Host', value: 'login.example.com' }] },
      },
      ['domain shop.example.com', 'domain login.example.com'],
    ],
    [
      'files and processes',
      { filePath: 'C:\\Temp\\A.EXE', process: { name: 'svc.exe', executable: '/usr/bin/svc' } },
      ['file-path C:\\Temp\\A.EXE', 'file-name a.exe', 'process svc.exe', 'file-path /usr/bin/svc', 'process svc'],
    ],
    [
      'a file beside a command line is a process',
      { FileName: 'reg.exe', CommandLine: 'reg save x' },
      ['process reg.exe'],
    ],
    ['the path of a URL is no file', { url: { path: '/etc/passwd' }, path: '/index.php' }, []],
    ['typed domains may be internal', { dns: { rrname: 'Printer.Corp.LOCAL.' } }, ['domain printer.corp.local']],
    ['typed domains may end like files', { sni: 'backup.zip' }, ['domain backup.zip']],
    ['autonomous systems', { asn: 64500, src_as: { asn: 'AS64501' } }, ['asn AS64500', 'asn AS64501']],
    [
      'hardware addresses',
      { mac: '0011.2233.4455', MAC: '14:58:d0:b4:65:b8:02:01:c0:a8:e0:26:08:00' },
      ['mac 00:11:22:33:44:55', 'mac 14:58:d0:b4:65:b8', 'mac 02:01:c0:a8:e0:26'],
    ],
    [
      'ids are no hashes, hashes are',
      { session_id: 'd41d8cd98f00b204e9800998ecf8427e', file_hash: 'D41D8CD98F00B204E9800998ECF8427E' },
      ['md5 d41d8cd98f00b204e9800998ecf8427e'],
    ],
    ['JSON in a string', { Data: '{"src_ip":"203.0.113.9"}' }, ['ipv4 203.0.113.9']],
    [
      'a log line in a string',
      'date=2026-01-01 user_name="eve" srcip=10.1.1.1 ver=10.2.2.2',
      ['user eve', 'ipv4 10.1.1.1'],
    ],
    ['a list behind proxies', { xForwardedFor: '203.0.113.1, 10.0.0.1' }, ['ipv4 203.0.113.1', 'ipv4 10.0.0.1']],
  ])('%s', (_name, payload, expected) => {
    expect(found(payload)).toEqual(expected)
  })

  it('says where, in which role, and what is internal', () => {
    expect(
      extractObservables({ event: { src_ip: '10.0.0.1', dest: [{ ip: '203.0.113.1' }], TargetUserName: 'bob' } }),
    ).toEqual([
      { type: 'ipv4', value: '10.0.0.1', source: 'event.src_ip', role: 'source', internal: true },
      { type: 'ipv4', value: '203.0.113.1', source: 'event.dest[0].ip', role: 'destination' },
      { type: 'user', value: 'bob', source: 'event.TargetUserName', role: 'target' },
    ])
    expect(extractObservables('CEF:0|V|P|1|2|N|5|src=192.0.2.1 x=1')).toEqual([
      { type: 'ipv4', value: '192.0.2.1', source: 'src', role: 'source' },
    ])
  })

  it('adds what only the finding names', () => {
    const payload = { event_type: 'alert', src_ip: '192.0.2.1', alert: { signature: 'x', signature_id: 1 } }
    const [alert] = normalize('suricata', payload, { receivedAt: new Date(0) })
    expect(extractObservables({}, alert?.finding).map((one) => one.value)).toEqual(['192.0.2.1'])
    expect(extractObservables(payload, alert?.finding)).toHaveLength(1)
  })
})

describe('bounds', () => {
  it('keeps 500 observables and says that it left some out', () => {
    const ips = Array.from({ length: 700 }, (_, index) => `203.0.${index >> 8}.${index & 255}`)
    expect(collectObservables({ ips })).toMatchObject({ cut: true })
    expect(collectObservables({ ips }).observables).toHaveLength(MAX_OBSERVABLES)
    expect(collectObservables({ ips: ips.slice(0, 100) })).toMatchObject({ cut: false })
  })

  it('stops in endless nesting and endless lists', () => {
    let deep: unknown = 'x'
    for (let level = 0; level < 5000; level += 1) deep = [deep]
    expect(collectObservables(deep).cut).toBe(true)
    expect(collectObservables(Array.from({ length: 200_000 }, () => 'a')).cut).toBe(true)
  })

  it('each value is there once, of a known type, without unpaired surrogates, for any JSON', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 5 }),
        fc.constantFrom('user', 'host', 'url', 'path', 'email', 'message'),
        (value, key) => {
          const observables = extractObservables({ [key]: value })
          expect(new Set(observables.map((one) => `${one.type} ${one.value}`)).size).toBe(observables.length)
          for (const one of observables) {
            expect(OBSERVABLE_TYPES).toContain(one.type)
            expect(one.value).toBe(one.value.toWellFormed())
            expect(one.value.length).toBeLessThanOrEqual(2048)
          }
        },
      ),
    )
  })

  // Each is a megabyte of what makes a backtracking or rescanning matcher quadratic: 10^12 steps, hours rather than
  // the seconds allowed here for all places together.
  const size = 1_000_000
  const hostile: Record<string, string> = {
    letters: 'a'.repeat(size),
    'dots and letters': 'a.'.repeat(size / 2),
    'at signs': 'a@'.repeat(size / 2),
    schemes: 'http://'.repeat(size / 8),
    'closing brackets': `http://a${')'.repeat(size)}`,
    colons: 'a:'.repeat(size / 2),
    equals: 'a='.repeat(size / 2),
    'open quotes': 'a="'.repeat(size / 3),
    escapes: `a="${'\\"'.repeat(size / 2)}`,
    pipes: `CEF:0|${'|'.repeat(size)}`,
    fangs: '[.'.repeat(size / 2),
    digits: '1.'.repeat(size / 2),
    spaces: `${' '.repeat(size)}x`,
    labels: 'a: b\n'.repeat(size / 5),
    braces: '{"'.repeat(size / 2),
    'trailing dots': `${'....a'.repeat(size / 5)}${'.'.repeat(size)}!`,
    techniques: 'T1234.'.repeat(size / 6),
  }
  it.each(Object.entries(hostile))('a megabyte of %s is bounded work', (_name, text) => {
    const started = performance.now()
    const places = Object.fromEntries(
      ['message', 'user', 'host', 'url', 'path', 'email', 'process', 'domain', 'hash', 'mac'].map((key) => [key, text]),
    )
    extractObservables(text)
    extractObservables({ message: `${text} = : |` })
    normalize('generic', places, { receivedAt: new Date(0) })
    expect(performance.now() - started).toBeLessThan(15_000)
  })
})
