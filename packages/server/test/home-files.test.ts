import { expect, test } from 'vitest'
import { readTogether } from '../src/backup/home-files.ts'

const files = [
  { name: 'keys/keks.json', path: 'keks' },
  { name: 'keys/secrets.json', path: 'secrets' },
]

test('files that change one after the other are read as they were at one moment', async () => {
  // A rotation between two reads: the new secrets file is useless with the old key file.
  const states = [
    { keks: 'old', secrets: 'new' },
    { keks: 'new', secrets: 'new' },
    { keks: 'new', secrets: 'new' },
  ]
  let reads = 0
  const read = async (path: string) => Buffer.from(states[Math.floor(reads++ / 2)]?.[path as 'keks'] as string)
  const together = await readTogether(files, read)
  expect(together.map(({ bytes }) => bytes.toString())).toEqual(['new', 'new'])
})

test('files that never rest are refused', async () => {
  let reads = 0
  await expect(readTogether(files, async () => Buffer.from(String(reads++)))).rejects.toMatchObject({
    code: 'incomplete',
  })
})
