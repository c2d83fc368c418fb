import { startOwnInstallation } from '/work/main/packages/cli/src/drill/own-installation.ts'
import { runDrill } from '/work/main/packages/cli/src/drill/engine.ts'
const files = process.argv.slice(2)
const all = []
for (const f of files) { const m = await import(`/work/main/packages/cli/src/drill/attacks/${f}.ts`); for (const [k,v] of Object.entries(m)) if (/Attacks$/.test(k)) all.push(...(v as any)) }
const t0=performance.now()
const own = await startOwnInstallation((l)=>console.log('·',l))
console.log('started', Math.round(performance.now()-t0))
try {
  const only = process.env.ONLY
  const d = await runDrill(all.filter((a:any)=>!only||new RegExp(only).test(a.id)), own.terrain, (r)=>{ console.log((r.stopped?'ok  ':'BAD ')+r.id.padEnd(28), r.stopped? r.stoppedBy : `${r.outcome} | ${r.evidence ?? r.stoppedBy}`, '\n      control:', r.control) })
  console.log(d.results.length, d.results.filter(r=>r.stopped).length, Math.round(performance.now()-t0))
} finally { await own.stop() }
process.exit(0)
