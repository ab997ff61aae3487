/** An actor's chart: the machine's definition as a picture, lit by where the actor stands. */
import type { MachineDefinition, StateDefinition, StateValue } from "@acktor/shared/inspect/wire";
import type { LiveActor } from "../state/fleet.ts";

interface PictureProps {
  readonly definition: MachineDefinition;
  readonly actor: LiveActor;
}

export function MiniPicture({ definition, actor }: PictureProps) {
  return <StateList definition={definition} value={actor.value} parent={definition.id} />;
}

export function OutlinePicture({ definition, actor }: PictureProps) {
  return <StateList definition={definition} value={actor.value} parent={definition.id} />;
}

export function Picture({ definition, actor }: PictureProps & { readonly isPast: boolean; readonly at?: number }) {
  return (
    <div class="picture">
      <StateList definition={definition} value={actor.value} parent={definition.id} />
    </div>
  );
}

interface StateListProps {
  readonly definition: MachineDefinition;
  readonly value: StateValue | undefined;
  readonly parent: string;
}

function StateList({ definition, value, parent }: StateListProps) {
  const children = definition.states.filter((state) => state.parent === parent);
  if (children.length === 0) return null;
  return (
    <ul class="state-list">
      {children.map((state) => {
        const isActive = typeof value === "string" ? value === state.key : value?.[state.key] !== undefined;
        return (
          <li key={state.id} data-state-id={state.id} {...(isActive ? { "aria-current": "true" as const } : {})}>
            {state.key}
            <StateList definition={definition} value={innerOf(value, state)} parent={state.id} />
          </li>
        );
      })}
    </ul>
  );
}

function innerOf(value: StateValue | undefined, state: StateDefinition): StateValue | undefined {
  return typeof value === "string" ? undefined : value?.[state.key];
}
