const tickMs = 1000

/**
 * Tells a terminal that something still happens, once it takes longer than a second; logs of scripts stay clean.
 * @param work may say what it is at
 */
export async function withProgress<T>(label: string, work: (say: (label: string) => void) => Promise<T>): Promise<T> {
  const { stderr } = process
  if (!stderr.isTTY) return work(() => undefined)
  const began = performance.now()
  let shown = false
  let current = label
  const timer = setInterval(() => {
    shown = true
    stderr.write(`\r\u001b[K${current}… ${Math.round((performance.now() - began) / 1000)} s`)
  }, tickMs)
  try {
    return await work((next) => {
      current = next
    })
  } finally {
    clearInterval(timer)
    if (shown) stderr.write('\r\u001b[K')
  }
}
