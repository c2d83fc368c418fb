const tickMs = 1000

/** Tells a terminal that something still happens, once it takes longer than a second; logs of scripts stay clean. */
export async function withProgress<T>(label: string, work: () => Promise<T>): Promise<T> {
  const { stderr } = process
  if (!stderr.isTTY) return work()
  const began = performance.now()
  const timer = setInterval(() => {
    stderr.write(`\r\u001b[K${label}… ${Math.round((performance.now() - began) / 1000)} s`)
  }, tickMs)
  try {
    return await work()
  } finally {
    clearInterval(timer)
    stderr.write('\r\u001b[K')
  }
}
