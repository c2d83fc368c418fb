import type { ObservableRole } from './observable.ts'

/**
 * What the name of a field says about its value. Names are compared without case and separators, so that
 * `srcUserName`, `src_user_name` and `src-user-name` are one. User and host names are only ever taken from named
 * fields: no pattern can tell one from any other word.
 */

export type KeyKind =
  | 'user'
  | 'user-id'
  | 'host'
  | 'address'
  | 'domain'
  | 'url'
  | 'email'
  | 'file-name'
  /** Says it is a file's path. */
  | 'file-path'
  /** A path of a file system or of a URL. */
  | 'path'
  | 'process'
  | 'process-path'
  | 'hash'
  | 'mac'
  | 'asn'
  /** Holds text that is not about the incident: ids, versions, user agents, advice, links into the vendor's tool. */
  | 'skip'
  /** Text to search, though not for hashes: it holds identifiers. */
  | 'identifier'
  | 'text'

export type KeyMeaning = { readonly kind: KeyKind; readonly role: ObservableRole | undefined }

const SKIPPED = [
  /useragent|^ua$|^cs\(?useragent\)?$/,
  /version$|^ver$|^build|build$|osrelease|kernel/,
  /(?:falcon|console|portal|alert|incident|issue|event|case|detection|threat|dashboard|panel|silence|runbook|generator|external|help|support|doc|docs|documentation|remediation|reference|references|kb|logo|icon|image|schema|web|detail|details|host|log|display|callback|admin|graph)(?:web|host)?(?:url|urls|uri|link|links|href)$/,
  /(?:^|[^k])(?:references?|refs)$|^(?:redirecturi|href|helptext|moreinfo|learnmore|permalink|deeplink|consolelink|falconhostlink|schemaurl|avatarurl)$/,
  /^(?!clicked|malicious|embedded|blocked).*links?$/,
  /remediation|recommend|mitigationadvice|helptext|resolutionrec|runbook|nextsteps/,
  /^(?:schema|namespace|logger|loggername|eventsource|provider|providername|servicename|module|atype|typename|contenttype|mimetype|datastream|logname|index|serviceaccountkeyname|signaturevendor|publisher|signer|issuer|subjectdn|issuerdn|sigstatus|certificate)$/,
  /(?:message|msg|mail|content|internetmessage|networkmessage|rfcmessage)id(?:header)?$|^(?:inreplyto|msgid|mid|messageid)$/,
  /^(?:apikey|password|passwd|secret|token|cookie|cookies|setcookie|authorization|xcsrftoken)$/,
  /^(?:timezone|locale|language|lang|country|city|geo|latitude|longitude|lat|lon|coordinates|signature|pattern|regex|regexp|query|filter|expression|condition|rule|rulequery|sql)$/,
  /(?:mitre|attack|technique|tactic|cvss)[a-z]*$/,
]
const NOT_SKIPPED = /^(?:referer|referrer|httpreferer|httpreferrer|requestreferer|csreferer)$/

const IDENTIFIERS =
  /(?:id|ids|uid|uuid|guid|arn|key|token|etag|nonce|serial|serialnumber|traceid|spanid|fingerprint|imphash|authentihash|authenticodehashdata|ssdeep|telfhash|ja3|ja3s|ja4|hassh|thumbprint|cookie|session|correlation|tracking|transaction|hardwareid|tenant|customer|qualifier|identifier|principal)$/

const USER =
  /^(?:user|usr|username|usrname|uname|suser|duser|srcuser|dstuser|sourceuser|destinationuser|targetuser|targetusers|remoteuser|localuser|osuser|dbuser|loginuser|logonuser|effectiveuser|effectiveusername|currentuser|loggedinuser|loggedonuser|login|loginname|logonname|accountname|account|samaccountname|upn|userprincipalname|principalemail|principalname|principal|actor|actorname|requester|requestor|initiatedby|initiator|useraccount|usernames|users|alternateid|owneruser|authuser|xauthuser|ctxuser|nameuser|muser|vpnuser|callingstation|nomducompte|accountdomainuser|enduser|useroriginator|originator|acct|usernamelookup|audituser|auid|ruser|euser|subjectuser|impersonator|blockeduser)$/
const USER_SUFFIX =
  /(?:user|usr|account|login|logon|principal)name$|(?:src|source|dst|dest|destination|target|subject|initiating|client|server|remote|parent|process|caller|actor|file)user$/
const USER_NOT =
  /agent|display|full|first|last|group|role|file|host|computer|service|cloud|storage|bucket|project|domain(?:user)?name$|container|workspace|subscription/
const USER_PARENTS =
  /^(?:user|users|usr|actor|actors|account|principal|useridentity|subject|owner|serviceaccount|effective|initiator|targetuser|srcuser|dstuser|usr|impersonateduser|userinfo|useraccount|person|member|identity|creator)$/

const HOST =
  /^(?:host|hosts|hostname|hostnames|computer|computername|computers|machine|machinename|devicename|dvchost|dvcname|dvc|shost|dhost|srchost|dsthost|sourcehost|destinationhost|desthost|workstation|workstationname|nodename|fqdn|endpointname|endpoint|agentname|agenthostname|agentcomputername|assetname|asset|sysname|hostfqdn|devicefqdn|vmname|dnshostname|netbiosname|instancename|sourcehostname|destinationhostname|sensorname|appliance|appliancename|fw|firewallname|servername|clientname|clienthostname|logsourcename|impactedentities|observername|devname|logsource)$/
const HOST_SUFFIX =
  /(?:hostname|computername|machinename|devicename|workstationname|endpointname|vmname|hostfqdn|computerfqdn|dnsname|fqdn|nodename|computer|host)$/
const HOST_PARENTS =
  /^(?:host|hosts|device|devices|endpoint|endpoints|computer|machine|asset|assets|sensor|agent|workstation|instance|server|node|srchost|dsthost|vm|mac|primarydevice)$/

const DOMAIN =
  /^(?:domain|domains|domainname|rrname|rdata|queryname|qname|questionname|question|dnsquery|dnsquestion|dnsrequest|dnsrequestname|sni|tlssni|servername|requestedservername|hostheader|httphost|csh?ost|httphostname|requesthost|clientrequesthost|remotehost|externalhostname|actionexternalhostname|destinationdomain|destdomain|sourcedomain|targetdomain|maliciousdomain|urldomain|site|virtualhost|vhost|xforwardedhost|xhostheader|senderdomain|recipientdomain|cshost|dnsquestionname|destinationdnsdomain|pfhostname|sourcednsdomain|dhostname|authority|referrerhost|clientrefererhost|registereddomain)$|domain$/
const HTTP_PARENTS = /^(?:http|url|request|requestheaders|headers|httprequest|response|tls|dns|uri|website)$/

const URL_KEY =
  /^(?:url|urls|uri|fullurl|requesturl|requesturi|request|targeturl|maliciousurl|maliciousurls|originalurl|urloriginal|urlfull|clickurl|objectid|siteurl|sourcefile|referer|referrer|httpreferer|httpreferrer|location|website|urlstring|rawurl|threaturl|remoteurl|address)$/
const URL_SUFFIX = /(?:url|uri)s?$/

const EMAIL =
  /(?:email|emails|emailaddress|mailaddress|mailfrom|mailto|rcpt|rcptto|recipient|recipients|sender|senderaddress|senderenvelope|recipientaddress|envelopefrom|headerfrom|smtpfrom|smtpto|fromaddress|toaddress|useremail|mail|upn|cc|bcc|replyto)$|^(?:from|to|fromheader|toheader)$/

const FILE_NAME =
  /^(?:filename|filenames|fname|oldfilename|oldfname|attachmentname|attachmentnames|attachment|attachments|attachmentfilename|file|files|basename|downloadedfilenames|uploadedfilenames|documentname|objectfilename|targetfilename|originalfilename|sourcefilename|destinationfilename)$|(?<!pro)filenames?$/
const FILE_PARENTS =
  /^(?:file|files|fileinfo|attachment|attachments|document|fileobject|targetfile|sourcefile|fileobject|filedetails|filestates|imagefile|artifact)$/
const PATH = /^(?:path|fullpath|folderpath|targetpath|virtualpath|pathname|targetobject|objectname|location)$/
const FILE_PATH =
  /^(?:filepath|oldfilepath|filefullpath|targetfilepath|sourcefilepath|originalpath|binarypath|malwarepath|infectedfile|filepathname|filelocation)$|filepath$|file[a-z]*path$/

const PROCESS =
  /^(?:process|processname|procname|proc|processimagename|imagename|basefilename|parentname|parentprocess|parentprocessname|parentbasefilename|grandparentbasefilename|initiatingprocessfilename|comm|exename|executablename|executablebasename|processfilename|originatorprocess|sourceprocessname|childprocess|programname|program|syslogidentifier|parentimagefilename|grandparentimagefilename|sprocess|dprocess|sproc|dproc)$|processname$|processimagename$|imagefilename$|^process[a-z]*parentname$/
const PROCESS_PARENTS =
  /^(?:process|processes|parent|parentprocess|proc|processinfo|sourceprocess|targetprocess|initiatingprocess|actorprocess|grandparent)$/
const PROCESS_PATH =
  /^(?:exe|executable|executablepath|image|imagepath|imagefile|processpath|processimagepath|processexecutable|parentimage|parentpath|parentprocesspath|parentexecutable|newprocessname|callerprocessname|newprocess|creatorprocessname|binary|processfullpath|processimage|parentprocessimage)$|image[a-z]*path$|(?:process|parent|executable)[a-z]*(?:path|executable)$/

const HASH =
  /^(?:md5|sha1|sha256|sha512|hash|hashes|filehash|processhash|checksum|digest|filedigest|filemd5|filesha1|filesha256|hashvalue|blockedfilehash)$|(?:md5|sha1|sha256|sha512|hash|hashdata)$/
const MAC_KEY =
  /^(?:mac|macs|macaddress|macaddresses|smac|dmac|srcmac|dstmac|hwaddr|ethernet|physicaladdress|macsrc|macdst)$|mac$|macaddress$/
const ASN = /^(?:asn|asnumber|srcasn|dstasn|clientasn|autonomoussystemnumber|as)$|asn$/
const ADDRESS =
  /^(?:ip|ipaddress|src|dst|source|destination|dest|saddr|daddr|srcaddr|dstaddr|remoteaddr|clientip|sourceip|destip|dvc|c6a\d)$|(?:ip|ipv4|ipv6|ipaddress|ipaddr|address|addr)s?$/

const SOURCE =
  /^(?:src|source|client|attacker|orig|initiator|remote|caller|sender|from|offender|cip|saddr|sip|s(?=host|user|mac|proc|ip)|c(?=ip$|host))|(?:src|source)$/
const DESTINATION =
  /^(?:dst|dest|destination|server|responder|resp|daddr|dip|upstream|d(?=host|mac|proc|ip))|(?:dst|dest|destination)$/
const TARGET = /^(?:target|victim|duser|recipient|rcpt|to$|destinationuser|dstuser|affected|impacted)/
const ACTOR = /^(?:actor|suser|subject|initiat|principal|requester|requestor|caller|useridentity|performed)/

function roleOf(key: string, parent: string): ObservableRole | undefined {
  for (const name of [key, parent]) {
    if (TARGET.test(name)) return 'target'
    if (ACTOR.test(name)) return 'actor'
    if (SOURCE.test(name)) return 'source'
    if (DESTINATION.test(name)) return 'destination'
  }
  return undefined
}

/** The parent decides first where it is explicit: `http.hostname` is a domain, `user.name` a user. */
function kindOf(key: string, parent: string): KeyKind {
  // `@odata.type`, `__metadata.uri`: about the format. `references[0].url`: what the vendor cites.
  if (/^(?:references?|metadata)$/.test(parent) && /^(?:url|uri|id|type|source)$/.test(key)) return 'skip'
  if (!NOT_SKIPPED.test(key) && SKIPPED.some((pattern) => pattern.test(key))) {
    return key === 'query' && /dns/.test(parent) ? 'domain' : 'skip'
  }
  if (/^(?:name|value|id|hostname|host|displayname)$/.test(key)) {
    if (/^host(?:name)?$/.test(key) && HTTP_PARENTS.test(parent)) return 'domain'
    if (key === 'name') {
      if (USER_PARENTS.test(parent)) return 'user'
      if (PROCESS_PARENTS.test(parent)) return 'process'
      if (FILE_PARENTS.test(parent)) return 'file-name'
      if (HOST_PARENTS.test(parent)) return 'host'
      if (/^(?:question|answer|answers|domain|dns)$/.test(parent)) return 'domain'
    }
  }
  if (EMAIL.test(key)) return 'email'
  if (HASH.test(key) && !IDENTIFIERS.test(key)) return 'hash'
  if (MAC_KEY.test(key)) return 'mac'
  if (ASN.test(key)) return 'asn'
  if (/^(?:userid|usersid|actorid|loginid|accountid|userkey)$/.test(key))
    return key === 'userid' || key === 'loginid' ? 'user-id' : 'identifier'
  if (DOMAIN.test(key)) return 'domain'
  if ((USER.test(key) || USER_SUFFIX.test(key)) && !USER_NOT.test(key)) return 'user'
  if (PROCESS_PATH.test(key)) return 'process-path'
  if (PROCESS.test(key)) return 'process'
  if (FILE_NAME.test(key)) return 'file-name'
  if (FILE_PATH.test(key)) return 'file-path'
  if (PATH.test(key) || key.endsWith('path')) {
    if (HTTP_PARENTS.test(parent)) return 'identifier'
    return PROCESS_PARENTS.test(parent) ? 'process-path' : FILE_PARENTS.test(parent) ? 'file-path' : 'path'
  }
  if (ADDRESS.test(key)) return 'address'
  if (HOST.test(key) || HOST_SUFFIX.test(key)) return 'host'
  if (URL_KEY.test(key) || URL_SUFFIX.test(key)) return 'url'
  if (IDENTIFIERS.test(key)) return 'identifier'
  return 'text'
}

/** A field's name without case and separators. */
export function compactKey(key: string): string {
  return key.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '')
}

const MAX_KNOWN = 20_000
const known = new Map<string, KeyMeaning>()

/** The meaning of a field named `key` inside one named `parent` (empty at the top). Remembered, within bounds. */
export function meaningOf(key: string, parent: string): KeyMeaning {
  const name = `${parent}\n${key}`
  const remembered = known.get(name)
  if (remembered) return remembered
  const compact = compactKey(key.slice(0, 128))
  const compactParent = compactKey(parent.slice(0, 128))
  // A dotted key (`dns.question.name`) carries its parent in itself.
  const steps = key.split('.')
  const inner = steps.length > 1 ? compactKey(steps.at(-2) ?? '') : compactParent
  const last = steps.length > 1 ? compactKey(steps.at(-1) ?? '') : compact
  const meaning: KeyMeaning = { kind: kindOf(last, inner), role: roleOf(last, inner) }
  // Keys come from outside: forgetting all of them bounds the memory an endless stream of new ones can take.
  if (known.size >= MAX_KNOWN) known.clear()
  known.set(name, meaning)
  return meaning
}
