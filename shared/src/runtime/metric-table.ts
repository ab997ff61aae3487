/**
 * Metrics as data: a name, its meaning, and how it is read. The registry and docs/reference/metrics.md are made from the same
 * tables. Values are read at the scrape, so the hot path pays nothing. Names are in base units (`_seconds`, `_bytes`), names of
 * counters end in `_total`, and no label holds an id, a topic or a name from the network.
 *
 * Invariants:
 *  METRIC-1. A metric that throws, or is not a finite number, is left out of the scrape; the others are answered.
 *  METRIC-2. A histogram ignores a value that is not a finite number: prom-client throws for it.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

export type { Registry };

export type Samples = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];

export interface Metric<Source> {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly help: string;
  /** Names of its labels. */
  readonly labels?: readonly string[];
  /** A number for a metric without labels; null without a value yet. */
  read(source: Source): number | null | Samples;
}

export interface HistogramMetric {
  readonly name: string;
  readonly help: string;
  readonly buckets: readonly number[];
}

/** A registry with Node's own metrics in it: memory, event loop delay, garbage collection, handles. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Adds a table to a registry; `source` is read at each scrape. */
export function addMetrics<Source>(registry: Registry, table: readonly Metric<Source>[], source: Source): void {
  for (const metric of table) {
    if (metric.kind === "counter") addCounter(registry, metric, source);
    else addGauge(registry, metric, source);
  }
}

/** A histogram as the hot path sees it. */
export interface Observer {
  /** Never throws. */
  observe(value: number): void;
}

/** A histogram without labels. */
export function addHistogram(registry: Registry, { name, help, buckets }: HistogramMetric): Observer {
  const histogram = new Histogram({ name, help, buckets: [...buckets], registers: [registry] });
  return {
    observe(value) {
      if (Number.isFinite(value)) histogram.observe(value); // METRIC-2
    },
  };
}

/** 1 for the current state, 0 for each other one. */
export function stateSet<State extends string>(states: readonly State[], current: State): Samples {
  return states.map((state) => [{ state }, state === current ? 1 : 0] as const);
}

/** One sample for each member of a record of counts. */
export function byLabel(label: string, counts: Readonly<Record<string, number>>): Samples {
  return Object.entries(counts).map(([name, value]) => [{ [label]: name }, value] as const);
}

function addCounter<Source>(registry: Registry, metric: Metric<Source>, source: Source): void {
  const { name, help, labels = [] } = metric;
  new Counter({
    name,
    help,
    labelNames: [...labels],
    registers: [registry],
    collect() {
      this.reset();
      for (const [at, value] of samplesOf(metric, source)) this.inc(at, value);
    },
  });
}

function addGauge<Source>(registry: Registry, metric: Metric<Source>, source: Source): void {
  const { name, help, labels = [] } = metric;
  new Gauge({
    name,
    help,
    labelNames: [...labels],
    registers: [registry],
    collect() {
      const samples = samplesOf(metric, source);
      this.reset();
      // After a reset a gauge without labels has the value 0, which would be wrong.
      if (samples.length === 0) this.remove();
      for (const [at, value] of samples) this.set(at, value);
    },
  });
}

/** METRIC-1 */
function samplesOf<Source>(metric: Metric<Source>, source: Source): Samples {
  try {
    const value = metric.read(source);
    if (value === null) return [];
    const samples: Samples = typeof value === "number" ? [[{}, value]] : value;
    return samples.filter(([, number]) => Number.isFinite(number));
  } catch {
    return [];
  }
}
