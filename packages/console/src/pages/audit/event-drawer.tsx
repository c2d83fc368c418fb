import type { AuditEvent } from '@redoubt/contract'
import { verifyAuditProof } from '@redoubt/trust/proof'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { failureOf } from '../../api/failure.ts'
import type { Outputs } from '../../api/router-type.ts'
import { useApi } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { fullTime } from '../../components/clock.tsx'
import { CodeBlock } from '../../components/code-block.tsx'
import { Drawer, Fact, Facts, Section } from '../../components/drawer.tsx'
import { ErrorNote } from '../../components/feedback.tsx'
import { Icon } from '../../components/icon.tsx'
import { plural } from '../../components/words.ts'
import { Actor, OutcomeMark } from './audit-columns.tsx'
import { rememberedVerifier } from './remembered-log.ts'

type Proof = Outputs['audit']['inclusion']

type EventDrawerProps = {
  id: string
  /** Null when the event is further back than what is loaded; its proof still shows what was recorded. */
  event: AuditEvent | null
  onClose: () => void
  onNarrow: (change: { actor: string } | { target: string } | { action: string }) => void
}

/** One event, and the proof that it is in the log, computed here. */
export function EventDrawer({ id, event, onClose, onNarrow }: EventDrawerProps) {
  const { client, queries } = useApi()
  const proof = useQuery(
    {
      queryKey: ['audit-proof', id],
      queryFn: async () => {
        const [claim, { origin }] = await Promise.all([
          client.audit.inclusion.query({ id }),
          client.audit.checkpoint.query({}),
        ])
        const trustedVerifier = rememberedVerifier(origin)
        const result = await verifyAuditProof(claim, { origin, ...(trustedVerifier ? { trustedVerifier } : {}) })
        return { claim, result, isPinned: trustedVerifier !== undefined }
      },
      staleTime: Number.POSITIVE_INFINITY,
    },
    queries,
  )
  return (
    <Drawer
      label="Audit event"
      onClose={onClose}
      header={<span className="font-mono text-sm font-medium">{event?.action ?? 'Audit event'}</span>}
    >
      {event && (
        <>
          <Section title="Event">
            <Facts>
              <Fact name="When">{fullTime(event.at)}</Fact>
              <Fact name="Actor">
                <button
                  type="button"
                  className="rounded-sm hover:underline"
                  onClick={() => onNarrow({ actor: event.actor.id })}
                >
                  <Actor event={event} />
                </button>
              </Fact>
              <Fact name="Outcome">
                <OutcomeMark outcome={event.outcome} />
              </Fact>
              {event.target && (
                <Fact name="Target">
                  <button
                    type="button"
                    className="rounded-sm text-left hover:underline"
                    onClick={() => event.target && onNarrow({ target: event.target.id })}
                  >
                    {event.target.kind}{' '}
                    <span className="font-mono text-xs break-all text-quiet">{event.target.id}</span>
                  </button>
                </Fact>
              )}
              {event.requestId && (
                <Fact name="Request">
                  <span className="font-mono text-xs break-all">{event.requestId}</span>
                </Fact>
              )}
            </Facts>
          </Section>
          {Object.keys(event.facts).length > 0 && (
            <Section title="Facts">
              <CodeBlock label="Facts" text={JSON.stringify(event.facts, null, 2)} />
            </Section>
          )}
        </>
      )}
      <Section
        title="Proof, computed in this browser"
        aside={
          <Button size="small" busy={proof.isFetching} onPress={() => void proof.refetch()}>
            Verify
          </Button>
        }
      >
        {proof.isPending && <div className="skeleton h-24" />}
        {proof.isError &&
          (failureOf(proof.error).code === 'conflict' || failureOf(proof.error).code === 'unavailable' ? (
            <p className="text-sm text-quiet">Not sealed yet; that takes about a second. Verify again.</p>
          ) : (
            <ErrorNote error={proof.error} />
          ))}
        {proof.data && <ProofView {...proof.data} />}
      </Section>
      {proof.data && (
        <Section title="What was hashed, byte for byte">
          <CodeBlock label="Hashed event" text={proof.data.claim.body} />
        </Section>
      )}
    </Drawer>
  )
}

type ProofViewProps = { claim: Proof; result: Awaited<ReturnType<typeof verifyAuditProof>>; isPinned: boolean }

function ProofView({ claim, result, isPinned }: ProofViewProps) {
  if (!result.ok) {
    return (
      <div role="alert" className="flex gap-2 rounded-md bg-danger-soft px-3 py-2 text-sm text-danger">
        <Icon name="warning" className="mt-0.5" />
        <p>
          <strong className="font-semibold">The proof does not hold.</strong> {result.problem}
        </p>
      </div>
    )
  }
  return (
    <>
      <p role="status" className="flex items-center gap-2 rounded-md bg-accent-soft px-3 py-2 text-sm font-medium">
        <Icon name="check" className="text-accent" />
        Event {claim.seq.toLocaleString('en')} is in the signed log
      </p>
      <ol className="mt-3 flex flex-col gap-3">
        <Step title="The event hashes to its leaf">
          <Hash value={claim.leaf} />
        </Step>
        <Step
          title={`${plural(claim.proof.length, 'hash', 'hashes')} lead from the leaf to the root of ${plural(claim.size, 'event')}`}
        >
          {claim.proof.map((hash) => (
            <Hash key={hash} value={hash} />
          ))}
        </Step>
        <Step title="The root is signed (Ed25519)">
          <CodeBlock label="Signed checkpoint" text={claim.note.trim()} />
        </Step>
        <Step title={keyTitle(isPinned, result.handovers)}>
          <Hash value={result.verifier} />
        </Step>
      </ol>
    </>
  )
}

function keyTitle(isPinned: boolean, handovers: number): string {
  if (!isPinned) return 'The key came with the proof'
  return handovers === 0
    ? 'The key is the one this browser knows'
    : `The key follows the one this browser knows, by ${plural(handovers, 'statement')} that the keys before it signed`
}

function Step({ title, children }: { title: string; children: ReactNode }) {
  return (
    <li className="flex gap-2">
      <Icon name="check" className="mt-0.5 text-accent" />
      <div className="min-w-0 flex-1">
        <p className="text-sm">{title}</p>
        <div className="mt-1 flex flex-col gap-0.5">{children}</div>
      </div>
    </li>
  )
}

function Hash({ value }: { value: string }) {
  return <span className="font-mono text-xs break-all text-quiet">{value}</span>
}
