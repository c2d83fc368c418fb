import type { contract } from '@redoubt/contract'
import { AppError } from '../../platform/app-error.ts'
import { askKeeper } from '../../platform/keeper-administration.ts'
import type { Kernel } from '../../platform/kernel.ts'
import type { Handlers } from '../../platform/operation.ts'
import { whyNotDeny } from './rules.ts'

/** The services by their identity (SVC-4), and who of them and of the runners is not believed. */
export function serviceOperations({ keeper }: Kernel): Handlers<typeof contract.services> {
  const denials = () => askKeeper(keeper, 'services.denials', {})
  const isDenied = async (subject: string) => (await denials()).some((each) => each.subject === subject)
  return {
    async list() {
      const services = await askKeeper(keeper, 'services.list', {})
      return {
        items: services.map(({ startedAt, lastSeenAt, certificate, ...service }) => ({
          ...service,
          startedAt: startedAt?.toISOString() ?? null,
          lastSeenAt: lastSeenAt?.toISOString() ?? null,
          certificate: certificate && {
            serial: certificate.serial,
            notBefore: certificate.notBefore.toISOString(),
            notAfter: certificate.notAfter.toISOString(),
          },
        })),
        denials: (await denials()).map(({ at, ...denial }) => ({ ...denial, at: at.toISOString() })),
        answeredBy: keeper.service,
      }
    },

    async deny(ctx, { subject, reason }) {
      const why = whyNotDeny(subject, await askKeeper(keeper, 'services.list', {}), keeper.service)
      if (why !== null) throw new AppError('conflict', why)
      if (await isDenied(subject)) throw new AppError('conflict', `${subject} is denied already.`)
      await askKeeper(keeper, 'services.deny', { subject, reason })
      // The reason stays on the deny-list, which can forget: it is free text, and the log is kept for ever.
      ctx.record({ action: 'service.denied', target: { kind: 'service', id: subject } })
      ctx.live('keys')
      return { done: true }
    },

    async admit(ctx, { subject }) {
      if (!(await isDenied(subject))) throw new AppError('not_found', `${subject} is not denied.`)
      await askKeeper(keeper, 'services.deny', { subject, reason: null })
      ctx.record({ action: 'service.admitted', target: { kind: 'service', id: subject } })
      ctx.live('keys')
      return { done: true }
    },
  }
}
