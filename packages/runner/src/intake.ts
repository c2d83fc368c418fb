import { Plan, PlanDelivery } from '@redoubt/contract'
import { readKeyId, TrustError, verifyPlan } from '@redoubt/trust'
import type { z } from 'zod'
import { ControlPlaneRefused, ControlPlaneUnavailable } from './channel/exchange.ts'
import type { ControlPlane } from './control-plane.ts'
import type { Identity } from './home/home.ts'
import { type Journal, PlanRefusal } from './home/journal.ts'

/** Why a delivery is not taken: an HTTP status and a stable code; the message quotes nothing of the plan. */
export class DeliveryRefused extends Error {
  override readonly name = 'DeliveryRefused'
  readonly status: 400 | 401 | 409 | 422 | 503
  readonly code: string
  constructor(status: DeliveryRefused['status'], code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

type Parts = {
  readonly identity: Identity
  readonly controlPlane: ControlPlane
  readonly journal: Journal
  readonly now: () => Date
}

/**
 * Decides on a delivered plan, in this order: known shape → the control plane's keys → signature, issuer, tenant,
 * audience, expiry, hash → the format of the plan → that it is what the token says → single use, on disk.
 * Only a plan that passed everything is returned. Throws {@link DeliveryRefused}.
 */
export const takePlan = async (body: unknown, { identity, controlPlane, journal, now }: Parts): Promise<Plan> => {
  const delivery = PlanDelivery.safeParse(body)
  if (!delivery.success) throw new DeliveryRefused(400, 'bad_request', 'the body must be {"token": …, "plan": …}')
  const { token } = delivery.data
  try {
    const keys = await controlPlane.planKeys(readKeyId(token))
    const { runnerId, organizationId, issuer } = identity
    const verified = verifyPlan(token, delivery.data.plan, { issuer, organizationId, runnerId, now: now(), keys })
    const parsed = Plan.safeParse(delivery.data.plan)
    if (!parsed.success) throw new DeliveryRefused(422, 'plan_invalid', sayFault(parsed.error))
    const plan = parsed.data
    // The token speaks for the envelope, the plan for its content; a plan that says otherwise inside is not taken.
    const agrees =
      plan.planId === verified.planId &&
      plan.runId === verified.runId &&
      plan.organizationId === organizationId &&
      plan.runnerId === runnerId
    if (!agrees) throw new DeliveryRefused(422, 'plan_mismatch', 'the plan and its token name different ids')
    journal.accept(plan, { jti: verified.planId, expiresAt: verified.expiresAt }, now())
    return plan
  } catch (error) {
    if (error instanceof TrustError) {
      const altered = error.code === 'plan_hash' || error.code === 'canonical_json'
      throw new DeliveryRefused(altered ? 422 : 401, error.code, error.message)
    }
    if (error instanceof PlanRefusal) throw new DeliveryRefused(409, error.code, error.message)
    // Fail closed: without the keys nothing can be verified, and what is not verified does not run.
    if (error instanceof ControlPlaneUnavailable || error instanceof ControlPlaneRefused) {
      throw new DeliveryRefused(503, 'keys_unavailable', 'the plan keys of the control plane could not be fetched')
    }
    throw error
  }
}

const sayFault = (error: z.ZodError): string => {
  const issue = error.issues[0]
  return `the plan is not valid at ${issue?.path.join('.') || 'its root'}: ${issue?.message ?? ''}`
}
