const tickMs = 1000

/** Tells a terminal that something still happens, once it takes longer than a second; logs of scripts stay clean. */
export async function withProgress<T>(label: string, work: () => Promise<T>): Promise<T> {
  const { stderr } = process
  if (!stderr.isTTY) return work()
  const began = performance.now()
  let shown = false
  const timer = setInterval(() => {
    shown = true
    stderr.write(`\r\u001b[K${label}… ${Math.round((performance.now() - began) / 1000)} s`)
  }, tickMs)
  try {
    return await work()
  } finally {
    clearInterval(timer)
    if (shown) stderr.write('\r\u001b[K')
  }
}
