/** `npm run diagrams [-- --check]` */
import { statecharts } from "./render-statecharts.ts";
import { writeOrCheck } from "./write-or-check.ts";

writeOrCheck(await statecharts(), process.argv.slice(2), "npm run diagrams");
