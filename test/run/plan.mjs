/**
 * Which test files a run takes, and how they are put into jobs.
 *
 * A file that measures times has a line in its header comment: `Runs alone: <why>`. Such files run one at a time, after all
 * others. No other file may depend on the machine's load. A line `Quick: <why>` puts a file into `npm test`.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** The folders below test/ that a run of everything takes. The longest waits come first, so that the last ones are short. */
const FOLDERS = ["e2e", "field", "security", "integration", "browser", "docs", "model", "unit"];
/** Files that use tools/workshop: a browser, validators, mermaid. */
const USES_WORKSHOP = /^test\/(browser|docs)\/|^test\/integration\/api-seen\.test\.ts$/;
const RUNS_ALONE = /^ \* Runs alone: \S/m;
/** In the header comment of a file: it is short, and part of the developer's loop. */
const MARKED_QUICK = /^ \* Quick: \S/m;

/** `npm test`: all unit and model tests, and one file of each real thing. */
const QUICK = [
  /^test\/architecture\.test\.ts$/,
  /^test\/(unit|model)\//,
  // PostgreSQL, mosquitto and the built-in broker, NATS.
  /^test\/integration\/(outbox-claim|link-brokers|nats-bus)\.test\.ts$/,
  // The pair as two processes; its HTTP and command line.
  /^test\/e2e\/(delivery-acks|cli-tokens)\.test\.ts$/,
];

/** @returns {{ sideBySide: object[], alone: object[] }} jobs: `{ name, files }` */
export function planJobs(root, { set, filters }) {
  const textOf = (file) => readFileSync(path.join(root, file), "utf8");
  const takes = (file) => set === "all" || isQuick(file, textOf(file)) === (set === "quick");
  const files = filters.length > 0 ? matching(testFiles(root), filters) : testFiles(root).filter(takes);
  const [alone, others] = split(files, (file) => RUNS_ALONE.test(textOf(file)));
  const [unit, single] = split(others, (file) => file.startsWith("test/unit/"));
  return { sideBySide: [...single.map(jobOf), ...unitJobs(unit)], alone: alone.map(jobOf) };
}

/** @returns the first file of the plan that needs the workshop where that is not installed, or null */
export function missesWorkshop(root, { sideBySide, alone }) {
  if (existsSync(path.join(root, "tools/workshop/node_modules"))) return null;
  const files = [...sideBySide, ...alone].flatMap((job) => job.files);
  return files.find((file) => USES_WORKSHOP.test(file)) ?? null;
}

const isQuick = (file, text) => QUICK.some((pattern) => pattern.test(file)) || MARKED_QUICK.test(text);

/** Paths of all test files, relative to the root. */
function testFiles(root) {
  const found = FOLDERS.flatMap((folder) => {
    const place = path.join(root, "test", folder);
    if (!existsSync(place)) return [];
    const names = readdirSync(place, { recursive: true }).filter((name) => name.endsWith(".test.ts"));
    return names.sort().map((name) => path.posix.join("test", folder, name.replaceAll(path.sep, "/")));
  });
  return [...found, "test/architecture.test.ts"];
}

function matching(files, filters) {
  return files.filter((file) => filters.some((text) => file.includes(text)));
}

function split(list, belongs) {
  return [list.filter(belongs), list.filter((item) => !belongs(item))];
}

function jobOf(file) {
  return { name: file, files: [file] };
}

/** One job for each folder of unit tests; a single file keeps its own name. */
function unitJobs(files) {
  const folders = Map.groupBy?.(files, (file) => path.posix.dirname(file)) ?? groupBy(files, path.posix.dirname);
  return [...folders].map(([folder, members]) =>
    members.length === 1 ? jobOf(members[0]) : { name: `${folder}/ (${members.length} files)`, files: members },
  );
}

function groupBy(list, keyOf) {
  const groups = new Map();
  for (const item of list) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}
