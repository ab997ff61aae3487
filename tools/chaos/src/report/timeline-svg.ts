/**
 * A run as a picture: faults as bars, the state of the link as a band, rates and latency as lines over the same seconds.
 * One SVG that needs nothing else.
 */
import type { FaultRecord, ScenarioResult } from "../run/result.ts";
import type { Sample } from "../run/watch-publisher.ts";
import { escapeXml } from "./escape-xml.ts";
import type { ChaosTexts } from "./texts.ts";

const WIDTH = 960;
const LEFT = 150;
const RIGHT = 20;
const ROW = 18;
const PLOT = 90;
const GAP = 26;

/** Colours that also differ in brightness; the state's name stands in the band's tooltip. */
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
  for (const fault of result.faults) {
    parts.push(faultBar(fault, scale, y, texts));
    y += ROW;
  }
  y += 6;
  parts.push(label(texts.state, y + 12), stateBand(result.samples, scale, y));
  y += ROW + GAP;
  parts.push(...plot(texts.rates, rateLines(result), scale, y));
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

function faultBar({ name, beginMs, endMs, hits }: FaultRecord, { x }: Scale, y: number, texts: ChaosTexts): string {
  const width = Math.max(2, x(endMs) - x(beginMs));
  const title = escapeXml(`${name}: ${texts.hits(hits)}`);
  const text = escapeXml(`${name} (${texts.hits(hits)})`);
  const bar = `<rect x="${x(beginMs).toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 4}" fill="#c62828" opacity="0.75"/>`;
  return `<g><title>${title}</title>${bar}<text x="8" y="${y + 11}" class="small">${text}</text></g>`;
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

interface Line {
  readonly colour: string;
  readonly points: readonly (readonly [ms: number, value: number])[];
}

function rateLines({ samples, seconds }: ScenarioResult): Line[] {
  const accepted = seconds.map(({ second, accepted }) => [second * 1_000 + 500, accepted] as const);
  const settled: [number, number][] = [];
  for (let i = 0; i + 10 < samples.length; i += 10) {
    const [a, b] = [samples[i], samples[i + 10]];
    if (a === undefined || b === undefined || b.t <= a.t) continue;
    const rate = (1_000 * (b.counts.settled - a.counts.settled)) / (b.t - a.t);
    settled.push([(a.t + b.t) / 2, Math.max(0, rate)]);
  }
  return [
    { colour: "#1565c0", points: accepted },
    { colour: "#2e7d32", points: settled },
  ];
}

function latencyLines({ seconds }: ScenarioResult): Line[] {
  const of = (pick: (second: (typeof seconds)[number]) => number | null): Line["points"] => {
    return seconds.flatMap((second) => {
      const value = pick(second);
      return value === null ? [] : [[second.second * 1_000 + 500, value] as const];
    });
  };
  return [
    { colour: "#6a1b9a", points: of((second) => second.p50Ms) },
    { colour: "#ad1457", points: of((second) => second.p99Ms) },
  ];
}

function plot(title: string, lines: readonly Line[], { x }: Scale, y: number): string[] {
  const highest = Math.max(1, ...lines.flatMap(({ points }) => points.map(([, value]) => value)));
  const drawn = lines.map(({ colour, points }) => {
    const path = points.map(([ms, value]) => `${x(ms).toFixed(1)},${(y + PLOT * (1 - value / highest)).toFixed(1)}`);
    return `<polyline points="${path.join(" ")}" fill="none" stroke="${colour}" stroke-width="1.5"/>`;
  });
  const frame = `<path d="M${LEFT} ${y}V${y + PLOT}H${WIDTH - RIGHT}" fill="none" stroke="#90a4ae"/>`;
  const top = `<text x="${LEFT - 6}" y="${y + 8}" text-anchor="end" class="small">${Math.round(highest)}</text>`;
  return [`<text x="${LEFT}" y="${y - 6}" class="small">${escapeXml(title)}</text>`, frame, top, ...drawn];
}

function axis({ x, endMs }: Scale, y: number): string {
  const step = [1, 2, 5, 10, 20, 60].find((seconds) => endMs / 1_000 / seconds <= 16) ?? 60;
  const marks: string[] = [];
  for (let second = 0; second * 1_000 <= endMs; second += step) {
    marks.push(`<text x="${x(second * 1_000)}" y="${y + 16}" text-anchor="middle" class="small">${second} s</text>`);
  }
  return marks.join("");
}
