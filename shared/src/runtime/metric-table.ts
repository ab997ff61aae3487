/**
 * Metrics as data: a name, what it means, and how it is read from the parts that count anyway. The registry and
 * docs/reference/metrics.md are both made of the same tables. Numbers are read when they are scraped, so the hot path pays
 * nothing.
 *
 * Invariants: METRIC-1, METRIC-2 (below: what is no finite number is never handed to prom-client, which throws at it), and names are in base units (`_seconds`, `_bytes`), counters end in `_total`, and no label holds an id, a topic or
 * a name that a stranger chooses.
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
  /** A number alone where it has no labels; null where there is nothing to say yet. */
  readonly read: (source: Source) => number | null | Samples;
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

/** Puts a table into a registry; each is read from `source` when it is scraped. */
export function addMetrics<Source>(registry: Registry, table: readonly Metric<Source>[], source: Source): void {
  for (const metric of table) {
    if (metric.kind === "counter") addCounter(registry, metric, source);
    else addGauge(registry, metric, source);
  }
}

/** The part of a histogram that is used on the way. */
export interface Observer {
  /** METRIC-2: what is no finite number is not observed. Never throws. */
  observe(value: number): void;
}

/** A histogram without labels, observed on the way. */
export function addHistogram(registry: Registry, { name, help, buckets }: HistogramMetric): Observer {
  const histogram = new Histogram({ name, help, buckets: [...buckets], registers: [registry] });
  return {
    observe(value) {
      if (Number.isFinite(value)) histogram.observe(value);
    },
  };
}

/** 1 for the state that something is in, 0 for each other that it could be in. */
export function stateSet<State extends string>(states: readonly State[], current: State): Samples {
  return states.map((state) => [{ state }, state === current ? 1 : 0] as const);
}

/** One sample for each member of a record of counts. */
export function byLabel(label: string, counts: Readonly<Record<string, number>>): Samples {
  return Object.entries(counts).map(([name, value]) => [{ [label]: name }, value] as const);
}

function addCounter<Source>(registry: Registry, metric: Metric<Source>, source: Source): void {
  const { name, help, labels = [], read } = metric;
  new Counter({
    name,
    help,
    labelNames: [...labels],
    registers: [registry],
    collect() {
      this.reset();
      for (const [at, value] of samplesOf(() => read(source))) this.inc(at, value);
    },
  });
}

function addGauge<Source>(registry: Registry, metric: Metric<Source>, source: Source): void {
  const { name, help, labels = [], read } = metric;
  new Gauge({
    name,
    help,
    labelNames: [...labels],
    registers: [registry],
    collect() {
      const samples = samplesOf(() => read(source));
      this.reset();
      // Of a gauge without labels a reset makes 0, which would be a claim.
      if (samples.length === 0) this.remove();
      for (const [at, value] of samples) this.set(at, value);
    },
  });
}

/** METRIC-1: a metric that throws, or is no finite number, is left out of the scrape; the others are answered. */
function samplesOf(read: () => number | null | Samples): Samples {
  try {
    const value = read();
    if (value === null) return [];
    const samples: Samples = typeof value === "number" ? [[{}, value]] : value;
    return samples.filter(([, number]) => Number.isFinite(number));
  } catch {
    return [];
  }
}
