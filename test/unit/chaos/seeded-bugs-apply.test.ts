/** The seeded bugs and the crash points are places in the built code: each is there exactly once. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { BUGS } from "@acktor/chaos/controls/bugs";
import { CRASH_POINTS, withCrash } from "@acktor/chaos/crash/crash-points";
import { ROOT } from "../../support/processes.ts";

test("twelve bugs, each of which applies to the build", () => {
  assert.equal(BUGS.length, 12);
  for (const { name, edits } of BUGS) {
    for (const { file, from } of edits) {
      const text = readFileSync(path.join(ROOT, file), "utf8");
      assert.equal(text.split(from).length - 1, 1, `${name}: ${from} in ${file}`);
    }
  }
});

test("each crash point is there once, and kills before what stands there", () => {
  assert.equal(new Set(CRASH_POINTS.map(({ service, name }) => service + name)).size, CRASH_POINTS.length);
  for (const point of CRASH_POINTS) {
    const file = path.join(ROOT, "services", point.service, point.file);
    assert.ok(existsSync(file), file);
    const source = withCrash(readFileSync(file, "utf8"), point);
    assert.notEqual(source, null, `${point.service}: ${point.name}`);
    assert.ok(source?.includes(`"SIGKILL");${point.when === "soon" ? " }, 0);" : ""} ${point.at}`));
  }
});
