import type { KeyJob } from '@redoubt/contract'
import { Tag } from '../../components/badges.tsx'
import { ProgressBar } from '../../components/bars.tsx'
import { Ago } from '../../components/clock.tsx'
import { PlainTable } from '../../components/plain-table.tsx'
import { plural } from '../../components/words.ts'

/** What is brought under a new key in the background, and how far it is. */
export function KeyJobs({ jobs }: { jobs: readonly KeyJob[] }) {
  return (
    <PlainTable
      label="Work in the background"
      rows={jobs}
      idOf={(job) => job.id}
      columns={[
        {
          header: 'Work',
          className: 'sm:w-72',
          cell: (job) => (
            <span className="flex flex-col">
              <span className="font-medium">{job.kind === 'rewrap' ? 'Wrap data keys anew' : 'Seal values anew'}</span>
              <span className="text-xs text-faint">
                {job.organization?.name ?? job.organization?.id ?? 'The installation'}
                {job.dataClass && ` · ${job.dataClass}`} · under version {job.version}
              </span>
            </span>
          ),
        },
        {
          header: 'Progress',
          className: 'max-sm:w-full',
          cell: (job) => (
            <ProgressBar
              done={job.done}
              total={job.total}
              label={`${job.done.toLocaleString('en')} of ${job.total.toLocaleString('en')} done`}
            />
          ),
        },
        {
          header: 'Done',
          className: 'sm:w-44',
          cell: (job) => (
            <span className="text-xs text-quiet">
              {job.done.toLocaleString('en')} of {job.total.toLocaleString('en')}
              {job.damaged > 0 && (
                <span className="text-danger"> · {plural(job.damaged, 'value')} cannot be opened</span>
              )}
            </span>
          ),
        },
        { header: 'State', className: 'sm:w-44', cell: (job) => <JobState job={job} /> },
      ]}
    />
  )
}

function JobState({ job }: { job: KeyJob }) {
  if (job.state === 'running')
    return (
      <Tag icon="run" strong>
        Since <Ago at={job.startedAt} suffix="" />
      </Tag>
    )
  return (
    <Tag icon={job.state === 'done' ? 'check' : 'warning'}>
      {job.state === 'done' ? 'Done ' : 'Failed '}
      {job.endedAt && <Ago at={job.endedAt} />}
    </Tag>
  )
}
