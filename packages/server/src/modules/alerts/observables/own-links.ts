/**
 * Hosts of the tools that raise alerts and of the references they cite. A link that leads back into the tool says
 * nothing about the incident, and as an observable it would tie every alert of that tool to every other.
 */
const OWN_HOSTS = [
  'falcon.crowdstrike.com',
  'falcon.us-2.crowdstrike.com',
  'falcon.eu-1.crowdstrike.com',
  'security.microsoft.com',
  'securitycenter.windows.com',
  'portal.azure.com',
  'protection.office.com',
  'compliance.microsoft.com',
  'defender.microsoft.com',
  'sentinelone.net',
  'app.wiz.io',
  'docs.wiz.io',
  'xdr.us.paloaltonetworks.com',
  'xdr.eu.paloaltonetworks.com',
  'xdr.paloaltonetworks.com',
  'threatinsight.proofpoint.com',
  'console.aws.amazon.com',
  'console.cloud.google.com',
  'cloud.elastic.co',
  'attack.mitre.org',
  'cve.mitre.org',
  'cwe.mitre.org',
  'nvd.nist.gov',
  'learn.microsoft.com',
  'docs.microsoft.com',
  'docs.aws.amazon.com',
  'aka.ms',
  'go.microsoft.com',
  'schemas.microsoft.com',
  'schemas.xmlsoap.org',
  'www.w3.org',
  'type.googleapis.com',
]

const OWN = new Set(OWN_HOSTS)
const XDR_CONSOLE = /\.xdr\.[a-z]{2}\.paloaltonetworks\.com$/
const AWS_CONSOLE = /(?:^|\.)console\.aws\.amazon\.com$/

/** True when the host, or a domain it is under, belongs to an alerting tool's console or documentation. */
export function isOwnHost(host: string): boolean {
  if (XDR_CONSOLE.test(host) || AWS_CONSOLE.test(host)) return true
  for (let from = 0; from >= 0; ) {
    if (OWN.has(host.slice(from))) return true
    const dot = host.indexOf('.', from)
    from = dot < 0 ? -1 : dot + 1
  }
  return false
}
