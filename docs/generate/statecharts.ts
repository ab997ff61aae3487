/** `node --import tsx --conditions=source docs/generate/statecharts.ts [--check]` */
import { statecharts } from "./render-statecharts.ts";
import { writeOrCheck } from "./write-or-check.ts";

writeOrCheck(statecharts(), process.argv.slice(2));
