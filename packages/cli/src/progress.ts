const tickMs = 1000

/** Says on stderr that something still happens, once it takes longer than a second; a terminal sees the seconds. */
export async function withProgress<T>(label: string, work: () => Promise<T>): Promise<T> {
  const { stderr } = process
  const began = performance.now()
  let shown = false
  const timer = setInterval(() => {
    if (stderr.isTTY) stderr.write(`\r\u001b[K${label}… ${Math.round((performance.now() - began) / 1000)} s`)
    else if (!shown) stderr.write(`${label}…\n`)
    shown = true
  }, tickMs)
  try {
    return await work()
  } finally {
    clearInterval(timer)
    if (shown && stderr.isTTY) stderr.write('\r\u001b[K')
  }
}
