import { InvalidArgumentError, Option } from 'commander'

/** `--limit N` for lists that come in pages. */
export const limitOption = (): Option =>
  new Option('--limit <n>', 'how many at most, newest first').default(50).argParser((text) => {
    const limit = Number(text)
    if (Number.isInteger(limit) && limit >= 1 && limit <= 100_000) return limit
    throw new InvalidArgumentError('Write a number from 1 to 100000.')
  })

/** One of a closed list of words. */
export const choiceOption = (flags: string, description: string, choices: readonly string[]): Option =>
  new Option(flags, description).choices(choices)
