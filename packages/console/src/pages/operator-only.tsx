import type { ReactNode } from 'react'
import { useMay } from '../api/session.tsx'
import { EmptyState } from '../components/feedback.tsx'
import { PageHeader } from '../components/page-header.tsx'

/** What belongs to the installation and to no tenant. Others are told so before anything is asked and refused. */
export function OperatorOnly({ title, children }: { title: string; children: ReactNode }) {
  const may = useMay()
  if (may('installation:read')) return children
  return (
    <>
      <PageHeader title={title} />
      <div className="border-t border-line">
        <EmptyState icon="lock" title="This belongs to the installation">
          Only admins of the organization that runs this installation see it. It concerns every tenant alike.
        </EmptyState>
      </div>
    </>
  )
}
