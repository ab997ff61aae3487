/** docs/reference/statecharts/ and the diagrams inside README.md and README.ja.md, from the machines themselves. */
import { receiverMachine } from "@acktor/acker/subscribe/receiver-machine";
import { dispatcherMachine } from "@acktor/publisher/dispatch/dispatcher-machine";
import { periodicMachine } from "@acktor/publisher/janitor/periodic-machine";
import { MOVES, STATES } from "@acktor/publisher/outbox/delivery";
import { linkMachine } from "@acktor/shared/link/link-machine";
import { supervisorMachine } from "@acktor/shared/runtime/supervisor-machine";
import { toMermaid } from "./to-mermaid.ts";
import { type GeneratedFile, read } from "./write-or-check.ts";

/** A machine, where its code is, and what it decides. */
interface Chart {
  readonly name: string;
  readonly source: string;
  readonly what: string;
  readonly diagram: string;
}

const CHARTS: readonly Chart[] = [
  {
    name: "link",
    source: "shared/src/link/link-machine.ts",
    what: "The connection and its circuit breaker, in both services.",
    diagram: toMermaid(linkMachine.root),
  },
  {
    name: "dispatcher",
    source: "services/publisher/src/dispatch/dispatcher-machine.ts",
    what: "When the publisher looks into the outbox.",
    diagram: toMermaid(dispatcherMachine.root),
  },
  {
    name: "receiver",
    source: "services/acker/src/subscribe/receiver-machine.ts",
    what: "When the acker takes messages.",
    diagram: toMermaid(receiverMachine.root),
  },
  {
    name: "supervisor",
    source: "shared/src/runtime/supervisor-machine.ts",
    what: "The life of a service, from start to stop.",
    diagram: toMermaid(supervisorMachine.root),
  },
  {
    name: "periodic",
    source: "services/publisher/src/janitor/periodic-machine.ts",
    what: "A role that does one piece of work again and again: expiry, retention, counting, probing.",
    diagram: toMermaid(periodicMachine.root),
  },
  {
    name: "delivery",
    source: "services/publisher/src/outbox/delivery.ts",
    what: "The life of a message. No actor runs it: it is the table that the guard in the database is held against.",
    diagram: lifeOfAMessage(),
  },
];

const FOLDER = "docs/reference/statecharts";
const START = "<!-- statechart:link -->";
const END = "<!-- /statechart:link -->";

/** Every file that shows a statechart. */
export function statecharts(): GeneratedFile[] {
  const diagrams = CHARTS.map(({ name, diagram }) => ({ path: `${FOLDER}/${name}.mmd`, text: diagram }));
  const readmes = ["README.md", "README.ja.md"].map((path) => ({ path, text: withLink(read(path) ?? "") }));
  return [...diagrams, overview(), ...readmes];
}

function overview(): GeneratedFile {
  const sections = CHARTS.map(({ name, source, what, diagram }) => {
    return `## ${name}\n\n${what} Source: [${source}](../../../${source}).\n\n${fenced(diagram)}`;
  });
  const head =
    "# Statecharts\n\n<!-- Generated from the machines by docs/generate/statecharts.ts. Do not edit. -->\n\n" +
    "Every actor of acktor runs one of these machines. A transition that only runs actions and stays where it is, is not drawn.\n" +
    "`after x` is a delay by its name in the code; `[x]` is a guard.";
  return { path: `${FOLDER}/README.md`, text: `${[head, ...sections].join("\n\n")}\n` };
}

function withLink(readme: string): string {
  const [link] = CHARTS;
  const from = readme.indexOf(START);
  const to = readme.indexOf(END);
  if (link === undefined || from < 0 || to < from) return readme;
  return `${readme.slice(0, from + START.length)}\n${fenced(link.diagram)}\n${readme.slice(to)}`;
}

function fenced(diagram: string): string {
  return `\`\`\`mermaid\n${diagram}\`\`\``;
}

function lifeOfAMessage(): string {
  const left = new Set(MOVES.map((move) => move.from));
  const lines = [
    `[*] --> ${STATES[0]}`,
    ...MOVES.map(({ from, event, to }) => `${from} --> ${to}: ${event}`),
    ...STATES.filter((state) => !left.has(state)).map((state) => `${state} --> [*]`),
  ];
  return `stateDiagram-v2\n${lines.map((line) => `  ${line}\n`).join("")}`;
}
