/** An actor's context as names and values, nested up to DEEPEST levels. */
import type { Json } from "@acktor/shared/inspect/wire";

/** Deeper values are shown as JSON. */
const DEEPEST = 3;

export function ContextView({ value, depth = 0 }: { readonly value: Json; readonly depth?: number }) {
  if (!isObject(value)) return <code class="value">{JSON.stringify(value)}</code>;
  const entries = Object.entries(value);
  if (entries.length === 0) return <span class="dim">–</span>;
  return (
    <dl class="context">
      {entries.map(([name, inner]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {isObject(inner) && depth < DEEPEST ? (
              <ContextView value={inner} depth={depth + 1} />
            ) : (
              <code class="value">{JSON.stringify(inner)}</code>
            )}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function isObject(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
