/**
 * `{"name": "src_ip", "value": "192.0.2.1"}`: lists of such pairs are how many vendors write open-ended fields.
 */

const NAME_KEYS = ['name', 'key', 'Name', 'Key', 'label', 'field', 'parameter', 'fieldName', 'attribute']
const VALUE_KEYS = [
  'value',
  'Value',
  'values',
  'ValueString',
  'stringValue',
  'multiValue',
  'multiStrValue',
  'val',
  'data',
  'NewValue',
]
const MAX_KEYS = 6

/** The field a pair names and its values by key, or null when the object is no such pair. */
export function namedValues(
  value: Readonly<Record<string, unknown>>,
): { name: string; values: [string, unknown][] } | null {
  const keys = Object.keys(value)
  if (keys.length < 2 || keys.length > MAX_KEYS) return null
  const nameKey = NAME_KEYS.find((key) => typeof value[key] === 'string' && Object.hasOwn(value, key))
  if (nameKey === undefined) return null
  const values = VALUE_KEYS.filter((key) => key !== nameKey && Object.hasOwn(value, key)).map(
    (key): [string, unknown] => [key, value[key]],
  )
  return values.length === 0 ? null : { name: String(value[nameKey]), values }
}
