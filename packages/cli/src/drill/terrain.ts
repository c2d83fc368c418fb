import type { Authority, SigningKey } from '@redoubt/trust'
import type { Shown } from './channel.ts'
import type { Databases } from './databases.ts'
import type { Door, Proof } from './http.ts'
import type { Organization, Person, Source } from './organization.ts'
import type { Responder } from './responder.ts'
import type { SealedData } from './sealed-data.ts'
import type { ServiceTrail } from './service-trail.ts'
import type { KeeperPort } from './services-port.ts'
import type { StolenHome } from './stolen-home.ts'
import type { WatchedMachine } from './watched-machine.ts'

/** What is attacked. `a` is the organization that is attacked, `b` the one the attacker belongs to. */
export type Terrain = {
  readonly web: Door
  readonly api: Door
  readonly a: Organization
  readonly b: Organization
} & Partial<Parts>

/** What some attacks need beyond two accounts; another installation has few of them. */
export type Parts = {
  readonly ingestion: { readonly door: Door; readonly a: Source; readonly b: Source; readonly alertId: string }
  /** Organization A's runner; with the certificate of its workflow-processor where the drill can have one. */
  readonly runner: Door
  /** Where runners reach it, for whoever shows no certificate. */
  readonly runnersPort: Door
  /** Its certificate authority, so that a control can be certified rightly. */
  readonly authority: Authority & { readonly trustDomain: string }
  /** People of A in every role, and a RED case that only the moderator is named on. */
  readonly people: People
  /** Its database, as each service's role and as the superuser, and a scratch copy to switch defences off in. */
  readonly database: Databases
  /** Its signing keys, so that a control can sign rightly what an attack forges. */
  readonly keys: {
    readonly access: SigningKey
    readonly plan: SigningKey
    readonly issuer: string
    readonly setUpToken: string
  }
  /** Runs of playbooks on A's runner, and what they reached. */
  readonly responder: Responder
  /** Makes organizations whose audit logs may be damaged for good. */
  readonly chronicles: { readonly make: () => Promise<Chronicle> }
  /** The process of A's runner. */
  readonly runnerProcess: { readonly restart: () => Promise<void> }
  /** Who set it up: an admin of the organization that runs it. */
  readonly operator: Person
  /** Where services that run apart reach its keeper. */
  readonly keeperPort: KeeperPort
  /** What the keeper writes down of whom it refused. */
  readonly serviceTrail: ServiceTrail
  /** Its sealed columns and wrapped keys. */
  readonly sealed: SealedData
  /** Its home folder, copied, and its backups. */
  readonly stolenHome: StolenHome
  /** A machine on which another installation was started as everybody starts it. */
  readonly machine: WatchedMachine
  /** Both runners with their keys; an attacker in B has B's. */
  readonly runnerKeys: { readonly a: RunnerKey; readonly b: RunnerKey }
}
/** An organization that was made to have its audit log damaged, with a few events in it. */
export type Chronicle = { readonly id: string; readonly as: Proof }
export type RunnerKey = {
  readonly id: string
  readonly key: SigningKey
  readonly shown: Shown
  /** The port for runners, with this runner's certificate. */
  readonly channel: Door
}
export type Part = keyof Parts

/** Each part in words, for the list of what was left out. */
export const partWords: Readonly<Record<Part, string>> = {
  ingestion: 'the address of its ingestion service (--ingestion)',
  runner: 'the address of its runner (--runner)',
  runnersPort: 'its port for runners',
  authority: 'its certificate authority',
  people: 'people of every role',
  database: 'its database',
  keys: 'its signing keys',
  responder: 'its runner’s network',
  chronicles: 'organizations whose audit log may be damaged',
  runnerProcess: 'the process of its runner',
  runnerKeys: 'the keys of its runners',
  operator: 'its operator’s account',
  keeperPort: 'the port and the keys of its services',
  serviceTrail: 'the audit log of its operator',
  sealed: 'its sealed data',
  stolenHome: 'its home folder',
  machine: 'the machine it runs on',
}

export type People = {
  readonly moderator: Person
  readonly user: Person
  readonly viewer: Person
  /** Belongs to the provider of A and B, and to neither of them. */
  readonly analyst: Person
  readonly red: RedCase
}
export type RedCase = {
  readonly caseId: string
  /** Stands in its title, task, comment and observable; nobody but the moderator may read it. */
  readonly secret: string
  readonly alertId: string
  readonly runId: string | null
}
