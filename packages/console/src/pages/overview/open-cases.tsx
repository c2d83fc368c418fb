import { Link } from '@tanstack/react-router'
import type { Outputs } from '../../api/router-type.ts'
import { useWorkplace } from '../../api/session.tsx'
import { SeverityBadge } from '../../components/badges.tsx'
import { Card } from '../../components/card.tsx'
import { phases, phaseWords, severities } from '../../components/words.ts'

/** Open cases by severity and phase: the darker a cell, the more cases stand there. */
export function OpenCases({ open }: { open: Outputs['cases']['figures']['open'] }) {
  const { slug } = useWorkplace().membership.organization
  const columns = phases.filter((phase) => phase !== 'closed')
  const rows = severities.filter((severity) => open.some((each) => each.severity === severity))
  const countOf = (severity: string, phase: string) =>
    open.find((each) => each.severity === severity && each.phase === phase)?.count ?? 0
  const top = Math.max(1, ...open.map((each) => each.count))
  const total = open.reduce((sum, each) => sum + each.count, 0)
  return (
    <Card title="Open cases" aside={`${total.toLocaleString('en')} by severity and phase`} className="lg:col-span-3">
      {rows.length === 0 ? (
        <p className="text-sm text-quiet">No case is open.</p>
      ) : (
        <div className="scroll-thin overflow-x-auto">
          <table className="w-full min-w-[560px] table-fixed border-separate border-spacing-1 text-sm">
            <thead>
              <tr>
                <th scope="col" className="w-28 text-left text-xs font-medium text-faint">
                  <span className="sr-only">Severity</span>
                </th>
                {columns.map((phase) => (
                  <th key={phase} scope="col" className="truncate px-2 text-left text-xs font-medium text-faint">
                    {phaseWords[phase]}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((severity) => (
                <tr key={severity}>
                  <th scope="row" className="text-left font-normal">
                    <SeverityBadge severity={severity} />
                  </th>
                  {columns.map((phase) => {
                    const count = countOf(severity, phase)
                    return (
                      <td key={phase} className="relative h-9 rounded-sm bg-hover p-0">
                        {count > 0 && (
                          <Link
                            to="/o/$slug/cases"
                            params={{ slug }}
                            search={{ severity: [severity], phase }}
                            aria-label={`${count} in ${phaseWords[phase]}`}
                            className="relative flex h-full items-center rounded-sm px-2 font-medium hover:underline"
                          >
                            <svg aria-hidden="true" className="absolute inset-0 size-full rounded-sm">
                              <rect
                                width="100%"
                                height="100%"
                                className="fill-accent"
                                fillOpacity={0.08 + 0.3 * (count / top)}
                              />
                            </svg>
                            <span className="relative">{count}</span>
                          </Link>
                        )}
                      </td>
                    )
                  })}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  )
}
