import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type EntityJson,
  policySetTextToParts,
  preparsePolicySet,
  preparseSchema,
  statefulIsAuthorized,
  type TypeAndId,
  validate,
} from '@cedar-policy/cedar-wasm/nodejs'
import { type Permission, permissions, roles } from '@redoubt/contract'
import { StartError } from '../../platform/app-error.ts'
import type { Decision, Guards } from '../../platform/dispatch.ts'
import type { Resource } from '../../platform/operation.ts'

/** Decides by the Cedar policies of `policies/` (AZ-4); anything but a clear permit is a denial. */
export type Access = {
  readonly decide: Guards['decide']
  /** What a role may do in its organization, for menus; each call is still decided. */
  permissionsOf(role: string, isOperator: boolean): Permission[]
}

const folder = join(import.meta.dirname, '..', '..', '..', 'policies')
const name = 'redoubt'
const nobody = '00000000-0000-0000-0000-000000000000'

/**
 * Reads, parses and validates the policies against their schema.
 * @throws StartError naming the policy and what is wrong with it
 */
export function createAccess(source: { schema: string; policies: Record<string, string> } = readPolicies()): Access {
  const schema = `${source.schema}\n${Object.keys(permissions).map(actionText).join('\n')}`
  const checked = validate({
    schema,
    policies: { staticPolicies: source.policies },
    validationSettings: { mode: 'strict' },
  })
  const problems =
    checked.type === 'failure'
      ? checked.errors.map((e) => e.message)
      : checked.validationErrors.map((e) => `${e.policyId}: ${e.error.message}`)
  if (problems.length > 0) throw new StartError(`The access policies are not valid: ${problems.join('; ')}.`)
  for (const answer of [preparsePolicySet(name, { staticPolicies: source.policies }), preparseSchema(name, schema)]) {
    if (answer.type === 'failure')
      throw new StartError(`The access policies cannot be read: ${answer.errors.map((e) => e.message).join('; ')}.`)
  }

  // A decision about the organization itself depends on the role, the permission and who runs the installation.
  const coarse = new Map<string, Decision>()
  const decide: Guards['decide'] = (person, permission, resource) => {
    if (resource.kind !== 'Organization') return ask(person, permission, resource)
    const key = `${person.role}|${person.isOperator}|${permission}`
    let decision = coarse.get(key)
    if (!decision) {
      decision = ask(person, permission, resource)
      coarse.set(key, decision)
    }
    return decision
  }
  return {
    decide,
    permissionsOf: (role, isOperator) => {
      const person = { userId: nobody, role, organizationId: nobody, isOperator }
      return (Object.keys(permissions) as Permission[]).filter(
        (permission) => decide(person, permission, { kind: 'Organization' }).allowed,
      )
    },
  }
}

function ask(person: Parameters<Guards['decide']>[0], permission: Permission, resource: Resource): Decision {
  const organization = { type: 'Organization', id: person.organizationId }
  const principal = { type: 'User', id: person.userId }
  const target = resource.kind === 'Organization' ? organization : { type: resource.kind, id: resource.id }
  const answer = statefulIsAuthorized({
    principal,
    action: { type: 'Action', id: permission },
    resource: target,
    context: {},
    entities: [
      { uid: organization, attrs: { operator: person.isOperator }, parents: [] },
      {
        uid: principal,
        attrs: { organization: { __entity: organization }, role: person.role },
        parents: [organization],
      },
      ...(resource.kind === 'Organization' ? [] : [entityOf(resource, target, organization)]),
    ],
    preparsedPolicySetId: name,
    preparsedSchemaName: name,
    validateRequest: true,
  })
  if (answer.type === 'failure') return { allowed: false, policies: answer.errors.map((error) => error.message) }
  const { decision, diagnostics } = answer.response
  // A policy that could not be evaluated may have been the one that forbids.
  if (diagnostics.errors.length > 0)
    return { allowed: false, policies: diagnostics.errors.map((error) => error.policyId) }
  return { allowed: decision === 'allow', policies: diagnostics.reason }
}

/** The resource as Cedar sees it. It was read under row security, so it is in this organization. */
function entityOf(
  resource: Exclude<Resource, { kind: 'Organization' }>,
  uid: TypeAndId,
  organization: TypeAndId,
): EntityJson {
  const user = (id: string) => ({ __entity: { type: 'User', id } })
  if (resource.kind === 'Case') {
    return {
      uid,
      attrs: {
        tlp: resource.tlp,
        audience: resource.audience,
        recipients: resource.recipientIds.map(user),
        ...(resource.ownerId === null ? {} : { owner: user(resource.ownerId) }),
      },
      parents: [organization],
    }
  }
  const rank = (roles as readonly string[]).indexOf(resource.approverRole)
  return {
    uid,
    attrs: { starter: user(resource.startedById), approverRank: rank < 0 ? roles.length : rank },
    parents: [organization],
  }
}

function readPolicies(): { schema: string; policies: Record<string, string> } {
  const policies: Record<string, string> = {}
  for (const file of readdirSync(folder)
    .filter((each) => each.endsWith('.cedar'))
    .sort()) {
    const parts = policySetTextToParts(readFileSync(join(folder, file), 'utf8'))
    if (parts.type === 'failure')
      throw new StartError(`policies/${file}: ${parts.errors.map((e) => e.message).join('; ')}.`)
    for (const text of parts.policies) {
      const id = /@id\("([a-z-]+)"\)/.exec(text)?.[1]
      if (!id) throw new StartError(`policies/${file}: a policy has no @id, so no decision could name it.`)
      if (policies[id]) throw new StartError(`policies/${file}: two policies are called ${id}.`)
      policies[id] = text
    }
  }
  return { schema: readFileSync(join(folder, 'schema.cedarschema'), 'utf8'), policies }
}

function actionText(permission: string): string {
  const resources: string[] = ['Organization']
  if (/^case:(read|edit|comment|share|merge)$|^run:start$/.test(permission)) resources.push('Case')
  if (permission === 'run:approve' || permission === 'run:cancel') resources.push('Run')
  return `action "${permission}" appliesTo { principal: User, resource: [${resources.join(', ')}] };`
}
