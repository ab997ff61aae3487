/** `node --import tsx --conditions=source docs/generate/configuration.ts [--check]` */
import { configurationReference } from "./render-configuration.ts";
import { writeOrCheck } from "./write-or-check.ts";

const COMMAND = "node --import tsx --conditions=source docs/generate/configuration.ts";
writeOrCheck([configurationReference()], process.argv.slice(2), COMMAND);
