/** Live progress: one line that is rewritten on a terminal, and a line per change of phase or faults elsewhere. */
import type { Progress } from "../run/run-scenario.ts";
import type { ChaosTexts } from "./texts.ts";

export interface ProgressLine {
  show(scenario: string, progress: Progress): void;
  clear(): void;
}

interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

export function progressLine(stream: Stream, texts: ChaosTexts): ProgressLine {
  let last = "";
  return {
    show(scenario, { phase, atMs, ofMs, state, accepted, settled, faults }) {
      const key = `${scenario} ${phase} ${faults.join()}`;
      if (!stream.isTTY && key === last) return;
      last = key;
      const time = texts.seconds(`${(atMs / 1_000).toFixed(0)}/${(ofMs / 1_000).toFixed(0)}`);
      const parts = [
        scenario,
        texts.phases[phase],
        time,
        state ?? texts.none,
        `${settled}/${accepted}`,
        faults.join(" + "),
      ];
      const line = parts.filter((part) => part !== "").join(" · ");
      stream.write(stream.isTTY ? `\r\u001b[K${line}` : `${line}\n`);
    },
    clear() {
      if (stream.isTTY) stream.write("\r\u001b[K");
    },
  };
}
