import type { Run } from '@redoubt/contract'
import { useEffect, useState } from 'react'
import { Moment } from '../../components/clock.tsx'
import { CodeBlock } from '../../components/code-block.tsx'
import { Fact, Facts, Section } from '../../components/drawer.tsx'
import { Icon } from '../../components/icon.tsx'

/** The plans that were signed, and the last one byte for byte with its hash computed here. */
export function SignedPlans({ run }: { run: Run }) {
  const last = run.plans.at(-1)
  const computed = useSha256(run.canonicalPlan)
  if (!last) return null
  return (
    <Section title={`Signed plans (${run.plans.length})`}>
      <ul className="flex flex-col gap-4">
        {run.plans.map((plan) => (
          <li key={plan.id}>
            <Facts>
              <Fact name="Plan">
                <span className="font-mono text-xs break-all">{plan.id}</span>
              </Fact>
              <Fact name="SHA-256">
                <span className="font-mono text-xs break-all">{plan.sha256}</span>
                {plan === last && computed !== null && (
                  <span
                    className={`mt-1 flex items-center gap-1.5 text-xs ${computed === plan.sha256 ? 'text-quiet' : 'text-danger'}`}
                  >
                    <Icon
                      name={computed === plan.sha256 ? 'check' : 'warning'}
                      className={computed === plan.sha256 ? 'scale-75 text-accent' : 'scale-75'}
                    />
                    {computed === plan.sha256
                      ? 'Computed here from the plan below: the same'
                      : 'The plan below does not hash to this'}
                  </span>
                )}
              </Fact>
              <Fact name="Signed">
                <Moment at={plan.issuedAt} />, until <Moment at={plan.expiresAt} />
              </Fact>
              <Fact name="Key">
                <span className="font-mono text-xs break-all">{plan.keyId}</span>
              </Fact>
            </Facts>
          </li>
        ))}
      </ul>
      {run.canonicalPlan && (
        <details className="mt-3">
          <summary className="text-sm text-quiet hover:text-ink">Exactly what the runner was told</summary>
          <CodeBlock label="Canonical plan" text={run.canonicalPlan} className="mt-2" />
        </details>
      )}
    </Section>
  )
}

function useSha256(text: string | null): string | null {
  const [hash, setHash] = useState<string | null>(null)
  useEffect(() => {
    let isLatest = true
    setHash(null)
    if (text !== null) {
      void crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)).then((digest) => {
        const hex = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
        if (isLatest) setHash(hex)
      })
    }
    return () => {
      isLatest = false
    }
  }, [text])
  return hash
}
