import type { AdapterType } from '@redoubt/contract'

type VendorAlert = {
  readonly source: { readonly name: string; readonly slug: string; readonly type: AdapterType }
  readonly body: unknown
  readonly ndjson?: true
}

const attacker = '203.0.113.66'
const host = 'fin-ws-017'

/** What the tools of a small finance company say about one intrusion, each in its own format. Written for the demo. */
export function clientAlerts(at: Date): readonly VendorAlert[] {
  const iso = (minutes: number) => new Date(at.getTime() - minutes * 60_000).toISOString()
  return [
    {
      source: { name: 'Perimeter IDS', slug: 'perimeter-ids', type: 'suricata' },
      ndjson: true,
      body: [1, 2, 3].map((n) => ({
        timestamp: iso(12 - n),
        flow_id: 1_944_300_000_000_001,
        event_type: 'alert',
        src_ip: '10.20.4.17',
        src_port: 50_122 + n,
        dest_ip: attacker,
        dest_port: 443,
        proto: 'TCP',
        alert: {
          action: 'allowed',
          gid: 1,
          signature_id: 2_034_567,
          rev: 3,
          signature: 'MALWARE Beacon to known command and control',
          category: 'Malware Command and Control Activity Detected',
          severity: 1,
          metadata: { mitre_technique_id: ['T1071.001'] },
        },
      })),
    },
    {
      source: { name: 'Endpoint protection', slug: 'endpoint-protection', type: 'crowdstrike' },
      body: {
        metadata: { eventType: 'DetectionSummaryEvent', eventCreationTime: at.getTime() - 9 * 60_000, offset: 41 },
        event: {
          DetectId: 'ldt:7c1f0e5a:4411',
          DetectName: 'Suspicious PowerShell with encoded command',
          DetectDescription: 'A script interpreter started from a mail attachment and reached out.',
          Severity: 5,
          SeverityName: 'Critical',
          ComputerName: host,
          UserName: 'm.keller',
          LocalIP: '10.20.4.17',
          FileName: 'powershell.exe',
          CommandLine: `powershell.exe -enc SQBFAFgA; # hxxps://update-cdn[.]example/stage2`,
          SHA256String: '9f2b6c0d5e7a4b1c8d3e6f90a1b2c3d4e5f60718293a4b5c6d7e8f9012345678',
          Technique: 'PowerShell',
          Tactic: 'Execution',
          NetworkAccesses: [{ RemoteAddress: attacker, RemotePort: 443, Protocol: 'TCP' }],
        },
      },
    },
    {
      source: { name: 'Identity provider', slug: 'identity-provider', type: 'okta' },
      body: {
        uuid: '3f1e0a52-7a55-4e0b-9d3c-0b7f7d1f2a10',
        published: iso(7),
        eventType: 'security.threat.detected',
        displayMessage: 'Sign-in from an address on a threat list',
        severity: 'WARN',
        actor: { id: '00u1', type: 'User', alternateId: 'm.keller@fabrikam.example', displayName: 'M. Keller' },
        client: {
          ipAddress: attacker,
          userAgent: { rawUserAgent: 'curl/8.9' },
          geographicalContext: { country: 'Elsewhere' },
        },
        outcome: { result: 'SUCCESS' },
      },
    },
    {
      source: { name: 'Cloud account', slug: 'cloud-account', type: 'guardduty' },
      body: {
        schemaVersion: '2.0',
        accountId: '111122223333',
        region: 'eu-central-1',
        id: '5ac1d2e3f4a5b6c7d8e9f0a1b2c3d4e5',
        type: 'UnauthorizedAccess:IAMUser/MaliciousIPCaller.Custom',
        title: 'API calls were made from an address on a custom threat list',
        description: `API ListBuckets was called from ${attacker}.`,
        severity: 5.0,
        createdAt: iso(6),
        updatedAt: iso(6),
        resource: { resourceType: 'AccessKey', accessKeyDetails: { userName: 'm.keller', principalId: 'AIDAEXAMPLE' } },
        service: {
          action: {
            actionType: 'AWS_API_CALL',
            awsApiCallAction: { api: 'ListBuckets', remoteIpDetails: { ipAddressV4: attacker } },
          },
          count: 3,
        },
      },
    },
    {
      source: { name: 'Monitoring', slug: 'monitoring', type: 'alertmanager' },
      body: {
        version: '4',
        groupKey: '{}:{alertname="DiskAlmostFull"}',
        status: 'firing',
        receiver: 'redoubt',
        alerts: [
          {
            status: 'firing',
            labels: { alertname: 'DiskAlmostFull', severity: 'warning', instance: 'db-03:9100' },
            annotations: { summary: 'Disk of db-03 is 91 % full' },
            startsAt: iso(30),
            endsAt: '0001-01-01T00:00:00Z',
            fingerprint: 'b3a1f0c9d8e7f6a5',
          },
        ],
      },
    },
  ]
}
