/** The selected rows as a sequence diagram; the list has the same in words. */
import { useMemo } from "preact/hooks";
import { clockTime } from "../../i18n/format.ts";
import { t } from "../../i18n/text.ts";
import { ScrollBox } from "../../parts/scroll-box.tsx";
import type { Row } from "../../state/journal.ts";
import { wordsOf } from "./row-words.ts";
import { BROKER, CALLER, type SequenceStep, sequenceOf } from "./sequence.ts";

const COLUMN = 150;
const ROW = 30;
const HEAD = 44;
const LEFT = 96;

export function SequenceDiagram({ rows }: { readonly rows: readonly Row[] }) {
  const { lines, steps, left } = useMemo(() => sequenceOf(rows), [rows]);
  if (steps.length === 0) return <p class="dim">{t("sequence.empty")}</p>;
  const x = (name: string): number => LEFT + lines.indexOf(name) * COLUMN + COLUMN / 2;
  const width = LEFT + lines.length * COLUMN;
  const height = HEAD + steps.length * ROW + 12;
  return (
    <>
      <ScrollBox class="scroll-x" label={t("sequence.title")}>
        <svg class="sequence" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img">
          <title>{t("sequence.about", { steps: steps.length, lines: lines.length })}</title>
          {lines.map((name) => (
            <Lifeline key={name} name={name} x={x(name)} height={height} />
          ))}
          {steps.map((step, index) => (
            <Step key={step.row.number} step={step} from={x(step.from)} to={x(step.to)} y={HEAD + index * ROW + 22} />
          ))}
        </svg>
      </ScrollBox>
      {left > 0 && <p class="dim">{t("sequence.left", { count: left })}</p>}
    </>
  );
}

function Lifeline({ name, x, height }: { readonly name: string; readonly x: number; readonly height: number }) {
  const [service = "", ...rest] = name.split("/");
  const isInstance = name !== CALLER && name !== BROKER;
  return (
    <g>
      <line class="lifeline" x1={x} x2={x} y1={HEAD - 6} y2={height} />
      <text class="line-name" x={x} y={16} text-anchor="middle">
        {isInstance ? shorten(rest.join(" "), 20) : t(name === CALLER ? "sequence.caller" : "sequence.broker")}
      </text>
      <text class="line-kind" x={x} y={30} text-anchor="middle">
        {isInstance ? service : ""}
      </text>
    </g>
  );
}

interface StepProps {
  readonly step: SequenceStep;
  readonly from: number;
  readonly to: number;
  readonly y: number;
}

function Step({ step, from, to, y }: StepProps) {
  const { what, where } = wordsOf(step.row);
  const time = (
    <text class="step-time" x={4} y={y + 3}>
      {clockTime(step.row.ts)}
    </text>
  );
  if (from === to) {
    const text = step.row.kind === "actor" ? where : what;
    return (
      <g class={`step step-${step.row.kind}`}>
        {time}
        <rect x={from - COLUMN / 2 + 6} y={y - 12} width={COLUMN - 12} height={22} rx={5} />
        <text x={from} y={y + 3} text-anchor="middle">
          {shorten(text, 21)}
        </text>
      </g>
    );
  }
  const end = from < to ? to - 5 : to + 5;
  const back = from < to ? end - 6 : end + 6;
  return (
    <g class="step step-arrow">
      {time}
      <line x1={from} x2={end} y1={y} y2={y} />
      <path d={`M${back} ${y - 4} ${end} ${y} ${back} ${y + 4}`} />
      <text x={(from + to) / 2} y={y - 5} text-anchor="middle">
        {shorten(what, Math.floor(Math.abs(to - from) / 7))}
      </text>
    </g>
  );
}

function shorten(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
