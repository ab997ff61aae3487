/** The time since a moment, updated with the clock. */
import { ago, dateTime, duration } from "../i18n/format.ts";
import { now } from "../state/clock.ts";

export function Ago({ at }: { readonly at: number }) {
  return (
    <time dateTime={new Date(at).toISOString()} title={dateTime(at)}>
      {ago(now.value - at)}
    </time>
  );
}

export function AgeOf({ at }: { readonly at: number }) {
  return <span title={dateTime(at)}>{duration(Math.max(0, now.value - at))}</span>;
}
