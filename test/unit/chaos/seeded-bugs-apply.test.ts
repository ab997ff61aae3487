/** The seeded bugs and the crash points are places in the sources: each is there exactly once. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { BUGS } from "@acktor/chaos/controls/bugs";
import { patchedSources } from "@acktor/chaos/controls/build-copy";
import { HANDLER_BUGS } from "@acktor/chaos/controls/handler-bugs";
import { CRASH_POINTS, withCrash } from "@acktor/chaos/crash/crash-points";
import { compileSource } from "@acktor/chaos/patch/compile-source";
import { ROOT } from "../../support/processes.ts";

test("every seeded bug applies to the sources, and the result compiles", async () => {
  for (const { name, patches } of [...BUGS, ...HANDLER_BUGS]) {
    for (const [file, source] of await patchedSources(patches)) {
      assert.notEqual(compileSource(source), "", `${name}: ${file}`);
    }
  }
});

test("each crash point is in the sources once, and kills before that place", () => {
  assert.equal(new Set(CRASH_POINTS.map(({ service, name }) => service + name)).size, CRASH_POINTS.length);
  for (const point of CRASH_POINTS) {
    const source = withCrash(readFileSync(path.join(ROOT, point.file), "utf8"), point);
    assert.ok(source !== null, `${point.service}: ${point.name}`);
    assert.ok(compileSource(source).includes('"SIGKILL"'), `${point.service}: ${point.name}`);
  }
});
