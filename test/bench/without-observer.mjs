/**
 * A build without the observer, made while it is loaded: `node --import <this file> services/publisher/dist/main.js`.
 * No actor is followed, and no step of a message checks for viewers. It is what "no viewer" is measured
 * against; a service that runs this way can't be looked at.
 */
import { readFileSync } from "node:fs";
import { register } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");

/** Built file → what is taken out of it. */
const TAKEN_OUT = {
  "shared/dist/inspect/station.js": [/^ {4}follow\(followed\) \{$/m, "    follow(followed) {\n        return;"],
  "services/publisher/dist/intake/intake.js": [/\bdeliveries\.watched\b/g, "false"],
  "services/publisher/dist/dispatch/dispatcher.js": [/\bthis\.#deliveries\.watched\b/g, "false"],
  "services/publisher/dist/settle/settler.js": [/\bthis\.#deliveries\.watched\b/g, "false"],
  "services/acker/dist/process/conclusions.js": [/\bdeliveries\.watched\b/g, "false"],
  "services/acker/dist/process/outcome-writer.js": [/\bdeliveries\.watched\b/g, "false"],
  "services/acker/dist/verify/verifier.js": [/\bdeliveries\.watched\b/g, "false"],
};

/** Throws where the build is another one than this file knows: then nothing would be taken out, and nothing measured. */
export function assertTakenOut() {
  for (const [file, edit] of Object.entries(TAKEN_OUT)) {
    const built = readFileSync(path.join(ROOT, file), "utf8");
    if (built === built.replace(...edit))
      throw new Error(`${file} has no ${edit[0]}: fix test/bench/without-observer.mjs`);
  }
}

/** Node's hook: gives the built files above without the observer, all others as they are. */
export async function load(url, context, next) {
  const loaded = await next(url, context);
  const file = url.startsWith("file:") ? path.relative(ROOT, fileURLToPath(url)) : "";
  const edit = TAKEN_OUT[file.replaceAll(path.sep, "/")];
  return edit === undefined ? loaded : { ...loaded, source: String(loaded.source).replace(...edit) };
}

// In the service. The thread of the hooks loads this file too, and must not register it again; nor must the benchmark.
if (isMainThread && process.execArgv.some((arg) => arg.includes("without-observer"))) register(import.meta.url);
