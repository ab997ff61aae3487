/**
 * Draws a run: faults as bars, the state of the link as a band, rates and latency as lines over the same seconds. One SVG
 * without other files.
 *
 * Invariants:
 *  RUN_PICTURE-1. A second without an accepted message is a 0 in the rate and a gap in the latency.
 */
import type { FaultRecord, ScenarioResult } from "../run/result.ts";
import type { Sample } from "../run/watch-publisher.ts";
import { escapeXml } from "./escape-xml.ts";
import type { ChaosTexts } from "./texts.ts";

const WIDTH = 1_080;
const LEFT = 270;
const RIGHT = 20;
const ROW = 18;
const PLOT = 90;
const GAP = 26;

/** Colours that also differ in brightness. The tooltip of the band shows the name of the state. */
const COLOURS: Readonly<Record<string, string>> = {
  CONNECTED: "#2e7d32",
  CONNECTING: "#f9a825",
  RECONNECTING: "#ef6c00",
  ERROR: "#b71c1c",
  DISCONNECTED: "#546e7a",
  unknown: "#cfd8dc",
};

interface Scale {
  readonly endMs: number;
  x(ms: number): number;
}

export function timelineSvg(result: ScenarioResult, texts: ChaosTexts): string {
  const endMs = Math.max(1_000, result.durationMs, result.samples.at(-1)?.t ?? 0);
  const scale: Scale = { endMs, x: (ms) => LEFT + ((WIDTH - LEFT - RIGHT) * Math.min(ms, endMs)) / endMs };
  const parts: string[] = [];
  let y = 10;
  for (const [name, faults] of byName(result.faults)) {
    parts.push(faultBars(name, faults, scale, y, texts));
    y += ROW;
  }
  y += 6;
  parts.push(
    label(texts.state, y + 12),
    stateBand(result.samples, scale, y),
    stateLegend(result.samples, y + ROW + 14),
  );
  y += ROW + 2 * GAP;
  parts.push(shades(result.faults, scale, y, 2 * PLOT + GAP));
  parts.push(...plot(texts.rates, rateLines(result, texts), scale, y));
  y += PLOT + GAP;
  parts.push(...plot(texts.latency, latencyLines(result), scale, y));
  y += PLOT;
  parts.push(axis(scale, y));
  const height = y + 30;
  const name = escapeXml(`${result.scenario}: ${texts.outcomes[result.outcome]}`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${name}">
<style>text{font:12px sans-serif;fill:#263238}.small{font-size:10px;fill:#546e7a}</style>
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
${parts.join("\n")}
</svg>`;
}

function label(text: string, y: number): string {
  return `<text x="8" y="${y}" class="small">${escapeXml(text)}</text>`;
}

/** Faults of a name share a row. */
function byName(faults: readonly FaultRecord[]): Map<string, FaultRecord[]> {
  const rows = new Map<string, FaultRecord[]>();
  for (const fault of faults) rows.set(fault.name, [...(rows.get(fault.name) ?? []), fault]);
  return rows;
}

function faultBars(name: string, faults: readonly FaultRecord[], scale: Scale, y: number, texts: ChaosTexts): string {
  const hits = texts.hits(faults.reduce((sum, fault) => sum + fault.hits, 0));
  const bars = faults.map((fault) => {
    const title = escapeXml(`${name}: ${texts.hits(fault.hits)}`);
    return `<g><title>${title}</title>${box(fault, scale, y, ROW - 4, 'fill="#c62828" opacity="0.75"')}</g>`;
  });
  return `${bars.join("")}<text x="8" y="${y + 11}" class="small">${escapeXml(`${name} (${hits})`)}</text>`;
}

/** Shades the periods of the faults behind the lines. */
function shades(faults: readonly FaultRecord[], scale: Scale, y: number, height: number): string {
  return faults.map((fault) => box(fault, scale, y, height, 'fill="#c62828" opacity="0.07"')).join("");
}

function box({ beginMs, endMs }: FaultRecord, { x }: Scale, y: number, height: number, look: string): string {
  const width = Math.max(2, x(endMs) - x(beginMs));
  return `<rect x="${x(beginMs).toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${height}" ${look}/>`;
}

function stateBand(samples: readonly Sample[], { x, endMs }: Scale, y: number): string {
  const bands: string[] = [];
  for (let i = 0; i < samples.length; ) {
    const state = samples[i]?.state ?? null;
    let next = i + 1;
    while (next < samples.length && samples[next]?.state === state) next++;
    const from = x(samples[i]?.t ?? 0);
    const to = x(samples[next]?.t ?? endMs);
    const shown = state ?? "unknown";
    const fill = COLOURS[shown] ?? COLOURS["unknown"];
    bands.push(
      `<rect x="${from.toFixed(1)}" y="${y}" width="${Math.max(0.5, to - from).toFixed(1)}" height="${ROW}" fill="${fill}"><title>${escapeXml(shown)}</title></rect>`,
    );
    i = next;
  }
  return bands.join("");
}

/** The states of the run, in the order in which they occurred. */
function stateLegend(samples: readonly Sample[], y: number): string {
  const seen = [...new Set(samples.map(({ state }) => state ?? "unknown"))];
  return legend(
    seen.map((name) => ({ name, colour: COLOURS[name] ?? "#cfd8dc" })),
    LEFT,
    y,
  );
}

function legend(items: readonly { readonly name: string; readonly colour: string }[], from: number, y: number): string {
  let x = from;
  const parts = items.map(({ name, colour }) => {
    const square = `<rect x="${x}" y="${y - 9}" width="10" height="10" fill="${colour}"/>`;
    const text = `<text x="${x + 14}" y="${y}" class="small">${escapeXml(name)}</text>`;
    x += 30 + widthOf(name);
    return square + text;
  });
  return parts.join("");
}

/** The approximate width: characters outside of ASCII are wider. */
function widthOf(text: string): number {
  return [...text].reduce((sum, character) => sum + (character > "~" ? 11 : 7), 0);
}

interface Line {
  readonly name: string;
  readonly colour: string;
  /** Each part is a separate line. */
  readonly parts: readonly (readonly (readonly [ms: number, value: number])[])[];
}

function rateLines({ samples, seconds }: ScenarioResult, texts: ChaosTexts): Line[] {
  const counts = new Map(seconds.map(({ second, accepted }) => [second, accepted]));
  const last = Math.max(-1, ...counts.keys());
  const accepted = Array.from({ length: last + 1 }, (_, second) => {
    return [second * 1_000 + 500, counts.get(second) ?? 0] as const; // RUN_PICTURE-1
  });
  const settled: [number, number][] = [];
  for (let i = 0; i + 10 < samples.length; i += 10) {
    const [a, b] = [samples[i], samples[i + 10]];
    if (a === undefined || b === undefined || b.t <= a.t) continue;
    const rate = (1_000 * (b.counts.settled - a.counts.settled)) / (b.t - a.t);
    settled.push([(a.t + b.t) / 2, Math.max(0, rate)]);
  }
  return [
    { name: texts.accepted, colour: "#1565c0", parts: [accepted] },
    { name: texts.acknowledged, colour: "#2e7d32", parts: [settled] },
  ];
}

type Second = ScenarioResult["seconds"][number];

function latencyLines({ seconds }: ScenarioResult): Line[] {
  const of = (pick: (second: Second) => number | null): Line["parts"] => {
    const parts: [number, number][][] = [];
    let before = Number.NaN;
    for (const second of seconds.toSorted((a, b) => a.second - b.second)) {
      const value = pick(second);
      if (value === null) continue;
      if (second.second !== before + 1) parts.push([]); // RUN_PICTURE-1
      parts.at(-1)?.push([second.second * 1_000 + 500, value]);
      before = second.second;
    }
    return parts;
  };
  return [
    { name: "p50", colour: "#6a1b9a", parts: of((second) => second.p50Ms) },
    { name: "p99", colour: "#ef6c00", parts: of((second) => second.p99Ms) },
  ];
}

function plot(title: string, lines: readonly Line[], { x }: Scale, y: number): string[] {
  const values = lines.flatMap(({ parts }) => parts.flatMap((part) => part.map(([, value]) => value)));
  const highest = Math.max(1, ...values);
  const drawn = lines.flatMap(({ colour, parts }) =>
    parts.map((part) => {
      const path = part.map(([ms, value]) => `${x(ms).toFixed(1)},${(y + PLOT * (1 - value / highest)).toFixed(1)}`);
      // A single point is a line from itself to itself; its round ends make it visible.
      const points = path.length === 1 ? [...path, ...path] : path;
      return `<polyline points="${points.join(" ")}" fill="none" stroke="${colour}" stroke-width="2" stroke-linecap="round"/>`;
    }),
  );
  const frame = `<path d="M${LEFT} ${y}V${y + PLOT}H${WIDTH - RIGHT}" fill="none" stroke="#90a4ae"/>`;
  const top = `<text x="${LEFT - 6}" y="${y + 8}" text-anchor="end" class="small">${Math.round(highest)}</text>`;
  const zero = `<text x="${LEFT - 6}" y="${y + PLOT}" text-anchor="end" class="small">0</text>`;
  const names = legend(lines, LEFT, y - 8);
  return [label(title, y + PLOT / 2), names, frame, top, zero, ...drawn];
}

function axis({ x, endMs }: Scale, y: number): string {
  const step = [1, 2, 5, 10, 20, 60].find((seconds) => endMs / 1_000 / seconds <= 16) ?? 60;
  const marks: string[] = [];
  for (let second = 0; second * 1_000 <= endMs; second += step) {
    marks.push(`<text x="${x(second * 1_000)}" y="${y + 16}" text-anchor="middle" class="small">${second} s</text>`);
  }
  return marks.join("");
}
