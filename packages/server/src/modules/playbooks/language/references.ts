import type { Step } from '@redoubt/contract'
import type { Reader } from './reader.ts'
import type { ReadStep } from './steps.ts'
import { suggestion } from './suggestion.ts'

/** The fields of a step's output, as expressions after it can read them; undefined where the step is not known well. */
export const outputFields = (step: Step | undefined): readonly string[] | undefined => {
  switch (step?.type) {
    case undefined:
      return undefined
    case 'http.request':
      return ['status', 'headers', 'body']
    case 'condition':
      return ['result']
    case 'transform':
      return Object.keys(step.set)
    case 'wait-for-approval':
      return ['by', 'at']
    case 'case.comment':
      return []
  }
}

type Place = { readonly read: ReadStep; readonly branches: string }

/**
 * Every reference must name a step that has surely run: one that stands before, in the same list or in a list around
 * it. A step inside a branch has perhaps not run, so nothing outside of that branch may read it.
 */
export const checkReferences = (reader: Reader, steps: readonly ReadStep[]): void => {
  const places = new Map<string, Place>()
  const register = (list: readonly ReadStep[], branches: string) => {
    for (const read of list) {
      const earlier = places.get(read.id)
      if (earlier === undefined) places.set(read.id, { read, branches })
      else {
        const line = reader.line(earlier.read.at)
        reader.problem(
          read.at,
          `${read.path}.id`,
          `the id "${read.id}" is already used in line ${line}; ids are unique`,
        )
      }
      register(read.whenTrue, `"then" of ${read.id}`)
      register(read.whenFalse, `"else" of ${read.id}`)
    }
  }
  register(steps, '')

  const visit = (list: readonly ReadStep[], around: ReadonlySet<string>) => {
    const before = new Set(around)
    for (const read of list) {
      for (const use of read.uses) {
        for (const { step, field } of use.references) {
          const place = places.get(step)
          if (place === undefined) {
            const near = suggestion(step, [...before])
            reader.problem(use.at, use.path, `there is no step "${step.slice(0, 60)}"${near}`)
          } else if (!before.has(step)) reader.problem(use.at, use.path, sayNotYet(reader, read, place))
          else {
            const fields = outputFields(place.read.step)
            if (fields === undefined || field === undefined || fields.includes(field)) continue
            const message = `the output of ${step} has no "${field.slice(0, 60)}"${suggestion(field, fields)}`
            reader.problem(use.at, use.path, message)
          }
        }
      }
      before.add(read.id)
      visit(read.whenTrue, before)
      visit(read.whenFalse, before)
    }
  }
  visit(steps, new Set())
}

const sayNotYet = (reader: Reader, from: ReadStep, { read, branches }: Place): string => {
  const where = `step "${read.id}" (line ${reader.line(read.at)})`
  if (read.id === from.id) return `${where} cannot read its own output`
  if (read.at > from.at) return `${where} comes later; move it before this step`
  return `${where} is in the ${branches} and may not have run; move this step into the same branch`
}
