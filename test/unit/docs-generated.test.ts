/** What is generated from the code follows the code. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { describeMachine } from "@acktor/shared/inspect/describe-machine";
import { fromPromise, setup } from "xstate";
import { cliReference } from "../../docs/generate/render-cli.ts";
import { configurationReference } from "../../docs/generate/render-configuration.ts";
import { glossaryReference } from "../../docs/generate/render-glossary.ts";
import { statecharts } from "../../docs/generate/render-statecharts.ts";
import { toMermaid } from "../../docs/generate/to-mermaid.ts";
import { drifted } from "../../docs/generate/write-or-check.ts";

test("docs/reference/cli.md follows the commands", async () => {
  assert.deepEqual(drifted([await cliReference()]), []);
});

test("the glossaries in English and Japanese follow the list of terms", () => {
  assert.deepEqual(drifted(glossaryReference()), []);
});

test("docs/reference/configuration.md follows the settings", () => {
  assert.deepEqual(drifted([configurationReference()]), []);
});

test("the statecharts, those of the README and of the console included, follow the machines", async () => {
  assert.deepEqual(drifted(await statecharts()), []);
});

test("a picture shows what moves: regions, parents' transitions, delays, guards, final states", () => {
  const machine = setup({
    actors: { work: fromPromise(async () => undefined) },
    guards: { isFull: () => false },
    delays: { pause: 10 },
  }).createMachine({
    id: "m",
    type: "parallel",
    states: {
      one: {
        initial: "A",
        on: { "all.stop": ".C" },
        states: {
          A: {
            on: { "go.on": [{ guard: "isFull", target: "B" }, { target: "C" }], note: { actions: () => undefined } },
          },
          B: { invoke: { src: "work", onDone: "A", onError: "C" }, after: { pause: "A" } },
          C: { type: "final" },
        },
      },
      two: { initial: "D", states: { D: { always: { guard: "isFull", target: "E" } }, E: {} } },
    },
  });
  assert.equal(
    toMermaid(describeMachine(machine)),
    [
      "stateDiagram-v2",
      "  state one {",
      "    [*] --> A",
      "    A --> B: go.on [isFull]",
      "    A --> C: go.on<br/>all.stop",
      "    B --> A: work done<br/>after pause",
      "    B --> C: work failed<br/>all.stop",
      "    C --> [*]",
      "  }",
      "  state two {",
      "    [*] --> D",
      "    D --> E: always [isFull]",
      "  }",
      "",
    ].join("\n"),
  );
});
