/** `node --import tsx --conditions=source docs/generate/cli.ts [--check]` */
import { cliReference } from "./render-cli.ts";
import { writeOrCheck } from "./write-or-check.ts";

const COMMAND = "node --import tsx --conditions=source docs/generate/cli.ts";
writeOrCheck([await cliReference()], process.argv.slice(2), COMMAND);
