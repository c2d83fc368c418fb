import type { AlertSummary, CaseSummary, Run } from '@redoubt/contract'

/** Tells the story on standard output as it happens, and keeps it for the JSON line. */
export type Trail = ReturnType<typeof tell>

export function tell() {
  const kept: Record<string, unknown> = {}
  const line = (text: string) => void process.stdout.write(`${text}\n`)
  const step = (text: string) => line(`  ✓ ${text}`)
  const plans = (run: Run) => run.plans.map(({ id, sha256, keyId, issuedAt }) => ({ id, sha256, keyId, issuedAt }))
  return {
    chapter: (title: string) => line(`\n${title}`),
    step,

    alerts(alerts: readonly AlertSummary[]): void {
      kept['alerts'] = alerts.map(({ id, title, severity, source, count }) => ({
        id,
        title,
        severity,
        source: source.type,
        count,
      }))
      for (const alert of alerts)
        step(
          `alert     ${alert.severity.padEnd(8)} ${alert.title} (${alert.source.name}${alert.count > 1 ? `, seen ${alert.count} times` : ''})`,
        )
    },

    openedCase(opened: CaseSummary): void {
      kept['case'] = {
        id: opened.id,
        number: opened.number,
        title: opened.title,
        severity: opened.severity,
        dueAt: opened.dueAt,
      }
      step(
        `case      #${opened.number} ${opened.title}, ${opened.severity}, first response due ${opened.dueAt ?? 'never'}`,
      )
    },

    waiting(run: Run): void {
      for (const plan of run.plans) step(`plan      ${plan.id} sha256 ${plan.sha256}`)
      step(`waits     "${run.waitingFor?.prompt}" needs a ${run.waitingFor?.role}`)
    },

    finished(run: Run, blocked: readonly string[]): void {
      kept['plans'] = plans(run)
      kept['steps'] = run.steps.map(({ stepId, type, status, summary }) => ({ stepId, type, status, summary }))
      kept['outcome'] = { state: run.state, failure: run.failure, blocked }
      const plan = run.plans.at(-1)
      if (plan) step(`plan      ${plan.id} sha256 ${plan.sha256}`)
      for (const each of run.steps)
        step(`step      ${each.status.padEnd(10)} ${each.stepId} (${each.type}) ${each.summary}`)
      step(
        `outcome   ${run.state}${run.failure ? `: ${run.failure}` : ''}; the firewall now blocks ${blocked.join(', ') || 'nothing'}`,
      )
    },

    proven(proof: { action: string; seq: number; size: number; hashes: number; verifier: string }): void {
      kept['audit'] = { ...proof, verified: true }
      step(
        `proof     ${proof.action} is entry ${proof.seq} of ${proof.size}: ${proof.hashes} hashes and the checkpoint's signature hold`,
      )
    },

    json: (): Record<string, unknown> => kept,
  }
}
