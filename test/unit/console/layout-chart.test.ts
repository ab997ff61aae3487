/** Layouts of all charts: complete, in their frame, the same each time, and nothing that is read lies on anything else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { describeMachine } from "@acktor/shared/inspect/describe-machine";
import { setup } from "xstate";
import { SUBJECTS } from "../../../docs/generate/charts.ts";
import { chartOf } from "../../../services/publisher/console/charts/render-charts.ts";
import { edgeLines } from "../../../services/publisher/console/src/chart/label.ts";
import type { Box, ChartLayout, Point } from "../../../services/publisher/console/src/chart/layout.ts";
import { blockSize, COUNTDOWN_WIDTH, titleWidth } from "../../../services/publisher/console/src/chart/metrics.ts";

/** Regions, a composite state, transitions into and out of its depth, one of a parent, one that comes back. */
const nested = describeMachine(
  setup({ guards: { isGood: () => true } }).createMachine({
    id: "nested",
    type: "parallel",
    states: {
      left: {
        initial: "A",
        on: { halt: ".C" },
        states: {
          A: { on: { go: "B", again: { target: "A", reenter: true } } },
          B: {
            initial: "B1",
            states: { B1: { on: { inner: "B2" } }, B2: { on: { leave: "#nested.left.C" } } },
            on: { up: { guard: "isGood", target: "A" } },
          },
          C: { type: "final" },
        },
      },
      right: { initial: "D", states: { D: { on: { go: "E" } }, E: { on: { go: "D" } } } },
    },
  }),
);

for (const definition of [...SUBJECTS.map((subject) => subject.definition), nested]) {
  test(`LAYOUT-2: ${definition.id}: everything has a position`, async () => {
    const { layout, mini } = await chartOf(definition);
    const inner = definition.states.slice(1).map(({ id }) => id);
    assert.deepEqual(layout.states.map(({ id }) => id).sort(), inner.toSorted());
    assert.deepEqual(mini.states.map(({ id }) => id).sort(), inner.toSorted());
    assert.deepEqual(layout.edges.map(({ id }) => id).sort(), definition.edges.map(({ id }) => id).sort());
    const starts = definition.states.filter(({ initial }) => initial !== null).map(({ id }) => id);
    assert.deepEqual(
      layout.marks
        .filter(({ kind }) => kind === "initial")
        .map(({ of }) => of)
        .sort(),
      starts.toSorted(),
    );
    for (const { route, id } of layout.edges) {
      const stays = definition.edges.some((edge) => edge.id === id && (edge.target ?? edge.source) === edge.source);
      assert.equal(route === null, stays, id);
      assert.ok(route === null || layout.routes[route] !== undefined, id);
    }
    for (const edge of layout.edges.filter(({ route }) => route === null)) {
      const { source } = definition.edges.find(({ id }) => id === edge.id) ?? {};
      const state = layout.states.find(({ id }) => id === source);
      assert.ok(state !== undefined && liesIn(edge, state), edge.id);
    }
  });

  test(`LAYOUT-3: ${definition.id}: no texts overlap, no line crosses a state, everything is in the frame`, async () => {
    const { layout, mini } = await chartOf(definition);
    assert.deepEqual(collisions(layout), []);
    assert.deepEqual(collisions(mini), []);
    for (const picture of [layout, mini]) assert.deepEqual(outside(picture), []);
  });

  test(`${definition.id}: a label has the room that it needs, and a line begins and ends at its states`, async () => {
    const { layout } = await chartOf(definition);
    for (const edge of definition.edges) {
      const place = layout.edges.find(({ id }) => id === edge.id);
      const { width, height } = blockSize(edgeLines(edge));
      assert.deepEqual([place?.width, place?.height], [width, height], edge.id);
    }
    for (const { id, key } of definition.states.slice(1)) {
      const waits = definition.edges.some((edge) => edge.source === id && edge.kind === "after");
      const least = titleWidth(key) + (waits ? COUNTDOWN_WIDTH : 0);
      assert.ok((layout.states.find((box) => box.id === id)?.width ?? 0) > least, id);
    }
    const ends = [...layout.states, ...layout.marks];
    for (const { points } of layout.routes) {
      for (const point of [points[0], points.at(-1)]) {
        assert.ok(point !== undefined && ends.some((box) => isOnBorder(point, box)), JSON.stringify(points));
      }
    }
  });
}

test("LAYOUT-1: the same definition gives the same layout", async () => {
  for (const { definition } of SUBJECTS) assert.deepEqual(await chartOf(definition), await chartOf(definition));
});

test("the chart of the link fits a screen: regions side by side, at most 1500 by 900", async () => {
  const link = SUBJECTS.find(({ definition }) => definition.id === "link");
  assert.ok(link !== undefined);
  const { layout } = await chartOf(link.definition);
  const [connection, breaker] = layout.states.filter(({ kind }) => kind === "region");
  assert.ok(connection !== undefined && breaker !== undefined && connection.x + connection.width < breaker.x);
  assert.ok(layout.width <= 1_500 && layout.height <= 900, `${layout.width} by ${layout.height}`);
});

/** Pairs of boxes that share ground though neither lies in the other, and lines through boxes of others. */
function collisions({ states, marks, edges, routes }: ChartLayout): string[] {
  const leaves = states.filter(({ kind }) => kind === "leaf");
  const labels = edges.filter(({ route }) => route !== null);
  const solid = [...leaves, ...labels, ...marks.map((mark) => ({ ...mark, id: `mark of ${mark.of}` }))];
  const pairs = solid.flatMap((one, at) => solid.slice(at + 1).map((other) => [one, other] as const));
  const regions = states.filter(({ kind }) => kind === "region");
  const beside = regions.flatMap((one, at) => regions.slice(at + 1).map((other) => [one, other] as const));
  const inside = edges.filter(({ route }) => route === null);
  const stacked = inside.flatMap((one, at) => inside.slice(at + 1).map((other) => [one, other] as const));
  const boxes = [...pairs, ...beside, ...stacked].filter(([one, other]) => shareGround(one, other));
  const strokes = routes.flatMap(({ points }, at) => {
    const others = [...leaves, ...labels.filter(({ route }) => route !== at)];
    return others.filter((box) => segments(points).some((segment) => shareGround(segment, box)));
  });
  return [...boxes.map(([one, other]) => `${one.id} and ${other.id}`), ...strokes.map(({ id }) => `a line and ${id}`)];
}

function shareGround(one: Box, other: Box): boolean {
  const touches = (a: number, b: number, from: number, to: number): boolean => a < to && b > from;
  return (
    touches(one.x, one.x + one.width, other.x, other.x + other.width) &&
    touches(one.y, one.y + one.height, other.y, other.y + other.height)
  );
}

function segments(points: readonly Point[]): Box[] {
  return points.slice(1).map((point, at) => {
    const before = points[at] ?? point;
    const [x, y] = [Math.min(before.x, point.x), Math.min(before.y, point.y)];
    return { x, y, width: Math.abs(before.x - point.x), height: Math.abs(before.y - point.y) };
  });
}

function outside({ width, height, states, marks, edges, routes }: ChartLayout): Box[] {
  const points = routes.flatMap((route) => route.points.map((point) => ({ ...point, width: 0, height: 0 })));
  return [...states, ...marks, ...edges, ...points].filter((box) => {
    return box.x < 0 || box.y < 0 || box.x + box.width > width || box.y + box.height > height;
  });
}

function liesIn(inner: Box, outer: Box): boolean {
  const { x, y, width, height } = inner;
  return x > outer.x && y > outer.y && x + width < outer.x + outer.width && y + height < outer.y + outer.height;
}

/** Within a pixel: ELK's halves are rounded. */
function isOnBorder({ x, y }: Point, box: Box): boolean {
  const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1;
  const withinX = x >= box.x - 1 && x <= box.x + box.width + 1;
  const withinY = y >= box.y - 1 && y <= box.y + box.height + 1;
  const onX = near(x, box.x) || near(x, box.x + box.width);
  const onY = near(y, box.y) || near(y, box.y + box.height);
  return withinX && withinY && (onX || onY);
}
