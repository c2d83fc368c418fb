import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'

const repository = resolve(import.meta.dirname, '../../..')
const folder = resolve(repository, process.env['REDOUBT_REAL_DATA'] ?? '../shared/data', 'crypto')

/** Whether the outside vectors are absent and may be. With REDOUBT_REAL_DATA_REQUIRED=1 the tests run and fail instead. */
export const vectorsAbsent = !existsSync(folder) && process.env['REDOUBT_REAL_DATA_REQUIRED'] !== '1'
if (vectorsAbsent) console.warn('Skipped: REDOUBT_REAL_DATA does not point to a folder with crypto/ vectors.')

export const readVectors = (path: string): Buffer => readFileSync(resolve(folder, path))
export const listVectors = (path: string): string[] => readdirSync(resolve(folder, path))
