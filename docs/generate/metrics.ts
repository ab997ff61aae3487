/** `node --import tsx --conditions=source docs/generate/metrics.ts [--check]` */
import { metricsReference } from "./render-metrics.ts";
import { writeOrCheck } from "./write-or-check.ts";

const COMMAND = "node --import tsx --conditions=source docs/generate/metrics.ts";
writeOrCheck([metricsReference()], process.argv.slice(2), COMMAND);
