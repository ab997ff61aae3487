/** @jsxRuntime automatic */
/** @jsxImportSource preact */
/**
 * A chart as a nested list: the complete content of the picture, for readers and keyboards.
 *
 * Invariants:
 *  OUTLINE-1. Every mark of the picture is a word here, not only a colour.
 *  OUTLINE-2. Everything that can be selected is a button, so that the keyboard reaches it.
 */
import type { EdgeDefinition, RunningDelay, StateDefinition } from "@acktor/shared/inspect/wire";
import type { ComponentChildren, VNode } from "preact";
import { activeStates } from "./active-states.ts";
import { useRemaining } from "./countdown.tsx";
import { edgeSentence, stateSentences } from "./label.ts";
import type { Selected, StatechartProps } from "./statechart.tsx";
import { ENGLISH } from "./words.ts";

export type OutlineProps = Omit<StatechartProps, "layout" | "counts" | "children">;

type Given = Required<Pick<OutlineProps, "definition" | "snapshot">> & {
  readonly active: ReadonlySet<string>;
  readonly last: readonly string[];
  readonly selected: Selected | null;
  readonly now: () => number;
  readonly words: NonNullable<OutlineProps["words"]>;
  readonly onSelect: OutlineProps["onSelect"];
};

export function Outline(props: OutlineProps): VNode {
  const { definition, snapshot, last = [], selected = null, now = Date.now, words = ENGLISH, onSelect } = props;
  const active = snapshot === null ? new Set<string>() : activeStates(definition, snapshot.value);
  const given: Given = { definition, snapshot, active, last, selected, now, words, onSelect };
  const always = definition.edges.filter(({ source }) => source === definition.id);
  return (
    <ul class="outline" aria-label={definition.id} data-machine={definition.id}>
      {always.length > 0 && (
        <li>
          <span class="outline-name">{words.anyState}</span>
          <Edges edges={always} given={given} />
        </li>
      )}
      <States parent={definition.id} given={given} />
    </ul>
  );
}

function States({ parent, given }: { readonly parent: string; readonly given: Given }): VNode {
  const children = given.definition.states.filter((state) => state.parent === parent);
  return (
    <>
      {children.map((state) => (
        <StateItem key={state.id} state={state} given={given} />
      ))}
    </>
  );
}

function StateItem({ state, given }: { readonly state: StateDefinition; readonly given: Given }): VNode {
  const { definition, snapshot, active, words, now } = given;
  const isActive = active.has(state.id);
  const isFirst = definition.states.some(({ initial }) => initial === state.id);
  const edges = definition.edges.filter(({ source }) => source === state.id);
  const hasChildren = definition.states.some(({ parent }) => parent === state.id);
  const delays = isActive ? (snapshot?.delays ?? []).filter((delay) => delay.state === state.id) : [];
  return (
    <li>
      <Choice
        given={given}
        choice={{ kind: "state", id: state.id }}
        class="outline-name"
        data-outline-state={state.id}
        aria-current={isActive ? "true" : undefined}
      >
        {state.key}
      </Choice>
      {/* OUTLINE-1 */}
      {isActive && <Note>{words.active}</Note>}
      {isFirst && <Note>{words.initial}</Note>}
      {state.type === "final" && <Note>{words.final}</Note>}
      {delays.map((delay) => (
        <Left key={delay.delay} delay={delay} now={now} words={words} />
      ))}
      {stateSentences(state).map((sentence) => (
        <div key={sentence} class="outline-does">
          {sentence}
        </div>
      ))}
      {edges.length > 0 && <Edges edges={edges} given={given} />}
      {hasChildren && (
        <ul>
          <States parent={state.id} given={given} />
        </ul>
      )}
    </li>
  );
}

function Edges({ edges, given }: { readonly edges: readonly EdgeDefinition[]; readonly given: Given }): VNode {
  const { definition, last, words } = given;
  const keyOf = (id: string): string => definition.states.find((state) => state.id === id)?.key ?? id;
  return (
    <ul aria-label={words.transitions}>
      {edges.map((edge) => {
        const isLast = last.includes(edge.id);
        return (
          <li key={edge.id}>
            <Choice
              given={given}
              choice={{ kind: "edge", id: edge.id }}
              class="outline-edge"
              data-outline-edge={edge.id}
              data-last={isLast ? "true" : undefined}
            >
              {`${edgeSentence(edge)} → ${edge.target === null ? words.stays : keyOf(edge.target)}`}
            </Choice>
            {isLast && <Note>{words.justTaken}</Note>}
          </li>
        );
      })}
    </ul>
  );
}

/** A button if it can be selected, else text. OUTLINE-2 */
function Choice(props: {
  readonly given: Given;
  readonly choice: Selected;
  readonly class: string;
  readonly "data-outline-state"?: string;
  readonly "data-outline-edge"?: string;
  readonly "data-last"?: "true" | undefined;
  readonly "aria-current"?: "true" | undefined;
  readonly children: ComponentChildren;
}): VNode {
  const { given, choice, children, ...marks } = props;
  const { onSelect, selected } = given;
  if (onSelect === undefined) return <span {...marks}>{children}</span>;
  const isSelected = selected?.kind === choice.kind && selected.id === choice.id;
  return (
    <button type="button" {...marks} aria-pressed={isSelected ? "true" : "false"} onClick={() => onSelect(choice)}>
      {children}
    </button>
  );
}

function Note({ children }: { readonly children: ComponentChildren }): VNode {
  return <span class="outline-note">{children}</span>;
}

function Left({ delay, now, words }: { readonly delay: RunningDelay } & Pick<Given, "now" | "words">): VNode {
  const { seconds } = useRemaining(delay, now);
  return <Note>{words.remaining(delay.delay, seconds)}</Note>;
}
