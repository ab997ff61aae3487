/** The charts' colours: every one has a dark counterpart, and what is read stands out from its ground (WCAG 2.2 AA). */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

type Palette = ReadonlyMap<string, string>;

const css = readFileSync(join(import.meta.dirname, "../../../services/publisher/console/src/chart/chart.css"), "utf8");
const [light, ...darks] = [...css.matchAll(/\{([^{}]*--chart-ground:[^{}]*)\}/g)].map(([, block = ""]): Palette => {
  return new Map(
    [...block.matchAll(/--(chart-[a-z-]+): (#[0-9a-f]{6})/g)].map(([, name = "", hex = ""]) => [name, hex]),
  );
});

/** Text at 10 to 13 pixels. */
const TEXT = [
  ["chart-ink", "chart-ground"],
  ["chart-ink", "chart-fill"],
  ["chart-ink", "chart-region"],
  ["chart-ink", "chart-card"],
  ["chart-quiet", "chart-ground"],
  ["chart-quiet", "chart-fill"],
  ["chart-quiet", "chart-card"],
  ["chart-active-ink", "chart-active"],
  ["chart-last-ink", "chart-last-fill"],
] as const;

/** Shapes, which must stand out from the background but are not text. */
const SHAPES = [
  ["chart-line", "chart-region"],
  ["chart-border", "chart-region"],
  ["chart-border", "chart-ground"],
  ["chart-active", "chart-region"],
  ["chart-last", "chart-region"],
  ["chart-select", "chart-region"],
] as const;

test("there is a light palette, and one dark palette for the system's and for the page's choice", () => {
  assert.ok(light !== undefined && light.size > 10);
  assert.equal(darks.length, 2);
  assert.deepEqual(darks[0], darks[1]);
  assert.deepEqual([...(darks[0]?.keys() ?? [])], [...light.keys()]);
});

test("every colour that is used is one of them", () => {
  const used = [...css.matchAll(/var\(--([a-z-]+)\)/g)].map(([, name = ""]) => name);
  assert.deepEqual(
    used.filter((name) => light?.has(name) !== true),
    [],
  );
});

for (const [name, palette] of [
  ["light", light],
  ["dark", darks[0]],
] as const) {
  test(`${name}: text stands out by 4.5, shapes by 3`, () => {
    const weak = [...TEXT.map((pair) => [...pair, 4.5] as const), ...SHAPES.map((pair) => [...pair, 3] as const)]
      .map(([front, ground, least]) => ({ front, ground, least, is: contrast(palette, front, ground) }))
      .filter(({ is, least }) => is < least);
    assert.deepEqual(weak, []);
  });
}

function contrast(palette: Palette | undefined, front: string, ground: string): number {
  const [a, b] = [front, ground].map((name) => luminance(palette?.get(name) ?? ""));
  return (Math.max(a ?? 0, b ?? 0) + 0.05) / (Math.min(a ?? 0, b ?? 0) + 0.05);
}

/** Relative luminance as WCAG 2.2 defines it. */
function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
