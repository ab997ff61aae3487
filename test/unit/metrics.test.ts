/** Metrics: their names follow the rules, the reference lists them, and every file that names a metric names one that exists. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { ACKER_METRICS } from "@acktor/acker/control/metrics";
import { CONTROL_METRICS, DELIVERY_SECONDS, PUBLISHER_METRICS } from "@acktor/publisher/metrics";
import { SERVICE_METRICS } from "@acktor/shared/inspect/service-metrics";
import { addHistogram, addMetrics, createRegistry, type Metric, stateSet } from "@acktor/shared/runtime/metric-table";
import { Registry } from "prom-client";
import { metricsReference } from "../../docs/generate/render-metrics.ts";
import { drifted } from "../../docs/generate/write-or-check.ts";

const root = resolve(import.meta.dirname, "../..");

const tables: readonly Pick<Metric<never>, "name" | "kind" | "help" | "labels">[] = [
  ...SERVICE_METRICS,
  ...PUBLISHER_METRICS,
  ...CONTROL_METRICS,
  ...ACKER_METRICS,
];
const known = new Set([...tables.map(({ name }) => name), DELIVERY_SECONDS.name]);

/** Where names of metrics are used by people: pages, alert rules, dashboards. */
const USERS = ["docs", "tools/compose/servers", "README.md", "README.ja.md"];

test("names are in base units, only counters end in _total, no label is unbounded", () => {
  const labels = new Set(["state", "outcome", "type", "service", "version", "area", "code", "lasting"]);
  for (const { name, kind, help, labels: own = [] } of tables) {
    assert.match(name, /^acktor_[a-z]+(_[a-z]+)*$/);
    assert.equal(name.endsWith("_total"), kind === "counter", name);
    assert.doesNotMatch(name, /_(ms|milliseconds|minutes|kb|mb|percent)(_|$)/);
    assert.match(help, /\.$/, name);
    assert.deepEqual(
      own.filter((label) => !labels.has(label)),
      [],
      name,
    );
  }
  assert.equal(known.size, tables.length + 1, "a name stands for one metric");
});

test("docs/reference/metrics.md follows the tables", () => {
  assert.deepEqual(drifted([metricsReference()]), []);
});

test("every metric named in documentation, alerts and dashboards exists", () => {
  const names = new Set([
    ...known,
    ...createRegistry()
      .getMetricsAsArray()
      .map(({ name }) => name),
  ]);
  const unknown = USERS.flatMap(filesBelow).flatMap((file) =>
    [...readFileSync(file, "utf8").matchAll(/\b(?:acktor|nodejs|process)_[a-z0-9_]+[a-z0-9]\b/g)]
      .map(([name]) => name)
      .filter((name) => isMetricLike(name) && !names.has(name.replace(/_(bucket|sum|count)$/, "")) && !names.has(name))
      .map((name) => `${file}: ${name}`),
  );
  assert.deepEqual(unknown, []);
});

/** Databases, roles and files have such names too. */
function isMetricLike(name: string): boolean {
  return /_(total|seconds|bytes|bucket|sum|count|state|info|messages|connected|up|waiting|viewers|destinations)$/.test(
    name,
  );
}

function filesBelow(place: string): string[] {
  const path = join(root, place);
  if (!existsSync(path)) return [];
  if (/\.md$/.test(place)) return [path];
  return readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(md|json|ya?ml)$/.test(name))
    .map((name) => join(path, name));
}

test("a table becomes text that Prometheus reads, at the moment of the scrape", async () => {
  const source = { state: "A", sent: 1, queue: null as number | null };
  const table: Metric<typeof source>[] = [
    { name: "t_sent_total", kind: "counter", help: "Sent.", read: ({ sent }) => sent },
    { name: "t_queue", kind: "gauge", help: "Queue.", read: ({ queue }) => queue },
    { name: "t_state", kind: "gauge", help: "State.", labels: ["state"], read: (s) => stateSet(["A", "B"], s.state) },
  ];
  const registry = new Registry();
  addMetrics(registry, table, source);
  addHistogram(registry, { name: "t_seconds", help: "Time.", buckets: [1] }).observe(0.5);
  const first = await registry.metrics();
  assert.match(first, /^t_sent_total 1$/m);
  assert.match(first, /^t_state\{state="A"\} 1$/m);
  assert.match(first, /^t_state\{state="B"\} 0$/m);
  assert.match(first, /^t_seconds_bucket\{le="1"\} 1$/m);
  assert.doesNotMatch(first, /^t_queue \d/m);
  Object.assign(source, { state: "B", sent: 5, queue: 2 });
  const second = await registry.metrics();
  for (const line of ["t_sent_total 5", "t_queue 2", 't_state{state="A"} 0', 't_state{state="B"} 1']) {
    assert.ok(second.split("\n").includes(line), line);
  }
});

test("METRIC-1: a metric that throws or is not a finite number is omitted from the scrape; the others are in it", async () => {
  const registry = new Registry();
  const table: Metric<null>[] = [
    { name: "t_bad_total", kind: "counter", help: "Bad.", read: () => Number.POSITIVE_INFINITY },
    { name: "t_nan", kind: "gauge", help: "Bad.", read: () => Number.NaN },
    {
      name: "t_throws",
      kind: "gauge",
      help: "Bad.",
      read: () => {
        throw new Error("no");
      },
    },
    { name: "t_good", kind: "gauge", help: "Good.", read: () => 7 },
  ];
  addMetrics(registry, table, null);
  const text = await registry.metrics();
  assert.match(text, /^t_good 7$/m);
  assert.doesNotMatch(text, /^t_(bad_total|nan|throws) (Nan|\+Inf|NaN)/m);
});

test("METRIC-2: a histogram observes finite numbers and never throws", async () => {
  const registry = new Registry();
  const histogram = addHistogram(registry, { name: "t_odd_seconds", help: "Time.", buckets: [1] });
  for (const value of [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 0.5]) histogram.observe(value);
  assert.match(await registry.metrics(), /^t_odd_seconds_count 1$/m);
});
