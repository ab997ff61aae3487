/** `node --import tsx --conditions=source docs/generate/glossary.ts [--check]` */
import { glossaryReference } from "./render-glossary.ts";
import { writeOrCheck } from "./write-or-check.ts";

const COMMAND = "node --import tsx --conditions=source docs/generate/glossary.ts";
writeOrCheck(glossaryReference(), process.argv.slice(2), COMMAND);
