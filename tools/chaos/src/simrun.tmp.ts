import { planFor } from "@acktor/chaos/sim/sim-plan";
import { simulate } from "@acktor/chaos/sim/simulate";
const [from, to, trace] = process.argv.slice(2);
const t0 = performance.now(); let bad = 0;
for (let s = Number(from); s <= Number(to); s++) {
  const r = await simulate(planFor(s), trace === "t");
  if (process.env.V) console.log(s, r.steps, r.simulatedMs.toFixed(0), r.accepted, (performance.now()-t0).toFixed(0));
  if (r.broken !== null) { bad++; if (bad <= 12) console.log(s, JSON.stringify(planFor(s).handling), planFor(s).ackers, planFor(s).faults.map((f) => f.fault).join(","), "|", r.broken, r.steps, r.simulatedMs.toFixed(0)); if (trace === "t") for (const l of r.trace) console.log(l); }
}
console.log("bad", bad, "of", Number(to) - Number(from) + 1, ((performance.now() - t0) / 1000).toFixed(1), "s");
process.exit(0);
