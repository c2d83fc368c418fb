import { seededRandom } from './sample.ts'

const signatures = [
  ['ET MALWARE Example Stealer CnC Checkin (POST)', 'A Network Trojan was detected', 'Critical', 'TA0011', 'T1071.001'],
  ['ET SCAN Suspicious inbound to SSH port 22', 'Attempted Information Leak', 'Minor', 'TA0043', 'T1595.001'],
  [
    'ET EXPLOIT Possible deserialization in HTTP header',
    'Attempted Administrator Privilege Gain',
    'Major',
    'TA0001',
    'T1190',
  ],
  ['ET POLICY Outbound SMB to external host', 'Potentially Bad Traffic', 'Informational', 'TA0010', 'T1048'],
  [
    'ET PHISHING Credential form posted to example domain',
    'Possible Social Engineering Attempted',
    'Major',
    'TA0001',
    'T1566.002',
  ],
] as const
const documentationNets = ['192.0.2', '198.51.100', '203.0.113']

/**
 * Batches of newline-delimited Suricata EVE alerts of about 1 KB a line. One line in ten repeats an earlier alert as the
 * sensor would: same flow, same signature, a later time.
 */
export function suricataBatches(options: {
  readonly seed: number
  readonly batches: number
  readonly linesPerBatch: number
}): { readonly bodies: readonly Buffer[]; readonly lines: number; readonly distinct: number } {
  const random = seededRandom(options.seed)
  const pick = (below: number) => Math.floor(random() * below)
  const firstFlow = 1_800_000_000_000_000_000n + BigInt(options.seed) * 1_000_000_000n
  const known: number[] = []
  let distinct = 0
  const bodies = Array.from({ length: options.batches }, () => {
    const lines = Array.from({ length: options.linesPerBatch }, (_, at) => {
      const repeats = at % 10 === 9
      const flow = repeats ? (known[pick(known.length)] as number) : distinct++
      if (!repeats) known.push(flow)
      return lineOf(firstFlow + BigInt(flow), flow, repeats ? 1 + pick(58) : 0, pick)
    })
    return Buffer.from(lines.join('\n'))
  })
  return { bodies, lines: options.batches * options.linesPerBatch, distinct }
}

function lineOf(flowId: bigint, flow: number, secondsLater: number, pick: (below: number) => number): string {
  const [signature, category, severity, tactic, technique] = signatures[
    flow % signatures.length
  ] as (typeof signatures)[number]
  const client = `10.${(flow >> 12) % 256}.${(flow >> 4) % 256}.${10 + (flow % 200)}`
  const server = `${documentationNets[flow % 3]}.${1 + (flow % 250)}`
  const host = `edge-${flow % 500}.update-check.example`
  const second = String(secondsLater).padStart(2, '0')
  // Digits past 2^53: the flow id is written as text, since a JavaScript number cannot hold it.
  return `{"timestamp":"2026-03-02T08:14:${second}.${120_000 + pick(800_000)}+0100","flow_id":${flowId},"in_iface":"ens5","event_type":"alert","src_ip":"${client}","src_port":${20_000 + (flow % 40_000)},"dest_ip":"${server}","dest_port":443,"proto":"TCP","community_id":"1:hP0mJ5gJ1eYv0c5q3lC9xU8bX0s=","pkt_src":"wire/pcap","tx_id":0,"alert":{"action":"allowed","gid":1,"signature_id":${2_049_871 + (flow % signatures.length)},"rev":3,"signature":"${signature}","category":"${category}","severity":1,"metadata":{"signature_severity":["${severity}"],"mitre_tactic_id":["${tactic}"],"mitre_technique_id":["${technique}"],"affected_product":["Any"],"created_at":["2025_11_18"]}},"http":{"hostname":"${host}","url":"/gate.php?id=${flow}","http_user_agent":"Mozilla/5.0 (X11; Linux x86_64)","http_method":"POST","protocol":"HTTP/1.1","status":200,"length":512},"app_proto":"http","flow":{"pkts_toserver":${4 + pick(40)},"pkts_toclient":${4 + pick(40)},"bytes_toserver":${900 + pick(9000)},"bytes_toclient":${900 + pick(9000)},"start":"2026-03-02T08:14:00.000000+0100"}}`
}
