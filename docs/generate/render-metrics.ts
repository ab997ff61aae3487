/** docs/reference/metrics.md from the tables that the registries are made of. */
import { ACKER_METRICS } from "@acktor/acker/control/metrics";
import { CONTROL_METRICS, DELIVERY_SECONDS, PUBLISHER_METRICS } from "@acktor/publisher/metrics";
import { SERVICE_METRICS } from "@acktor/shared/inspect/service-metrics";
import { createRegistry } from "@acktor/shared/runtime/metric-table";
import { table } from "./markdown-table.ts";
import type { GeneratedFile } from "./write-or-check.ts";

const HEAD = `# Metrics

<!-- Generated from the tables of metrics by docs/generate/metrics.ts. Do not edit. -->

Both services answer \`GET /metrics\` in Prometheus' text format, without a token. Everything is in base units, counters end in
\`_total\`, and no label holds an id, a topic or a name that a stranger chooses, so the number of series is fixed.

States are sets: \`acktor_link_connection_state{state="CONNECTED"}\` is 1 while the connection is CONNECTED, and the other states
are 0 then. [What to watch, and when to worry](#what-to-watch) is at the end.
`;

const TAIL = `## What to watch

| question                           | expression                                                                   |
| ---------------------------------- | ---------------------------------------------------------------------------- |
| Is the broker there?               | \`acktor_link_connection_state{state="CONNECTED"} == 1\`                       |
| Are messages held back?            | \`acktor_outbox_oldest_waiting_seconds > 300\`                                 |
| Will the intake refuse?            | \`acktor_outbox_waiting_messages / acktor_outbox_high_water_messages > 0.8\`   |
| How long does a delivery take?     | \`histogram_quantile(0.99, rate(acktor_delivery_seconds_bucket[5m]))\`         |
| How much is sent more than once?   | \`rate(acktor_republishes_total[5m]) / rate(acktor_publishes_total[5m])\`      |
| Are acks forged?                  | \`rate(acktor_acks_total{outcome=~"unsigned\\|unverified\\|malformed"}[5m]) > 0\` |
| Is the acker slower than its load? | \`rate(acktor_acker_messages_total{outcome="overflow"}[5m]) > 0\`              |
| Does the process keep up?          | \`nodejs_eventloop_lag_p99_seconds > 0.1\`                                     |
`;

interface Described {
  readonly name: string;
  readonly kind: string;
  readonly labels?: readonly string[];
  readonly help: string;
}

export function metricsReference(): GeneratedFile {
  const node = createRegistry()
    .getMetricsAsArray()
    .map((metric) => metric as unknown as { readonly name: string; readonly help: string });
  const sections = [
    section("Both services", SERVICE_METRICS),
    section("Publisher", [{ ...DELIVERY_SECONDS, kind: "histogram" }, ...PUBLISHER_METRICS, ...CONTROL_METRICS]),
    section("Acker", ACKER_METRICS),
    `## Node.js\n\nFrom [prom-client](https://github.com/siimon/prom-client), in both services:\n\n${nodeTable(node)}\n`,
  ];
  return { path: "docs/reference/metrics.md", text: [HEAD, ...sections, TAIL].join("\n") };
}

function section(title: string, metrics: readonly Described[]): string {
  const rows = metrics.map(({ name, kind, labels = [], help }) => {
    return [`\`${name}\``, kind, labels.map((label) => `\`${label}\``).join(", "), help];
  });
  return `## ${title}\n\n${table([["metric", "type", "labels", "meaning"], ...rows])}\n`;
}

function nodeTable(metrics: readonly { readonly name: string; readonly help: string }[]): string {
  return table([["metric", "meaning"], ...metrics.map(({ name, help }) => [`\`${name}\``, help])]);
}
