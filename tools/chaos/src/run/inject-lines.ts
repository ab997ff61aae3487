/** Faults of a complete line: cut, slowed, half-open, reset. Its packets are not inspected. */
import type { TcpProxy } from "../proxy/tcp-proxy.ts";
import type { Fault } from "../scenarios/scenario.ts";

export interface Injection {
  hits(): number;
  /** Ends the fault. A second call has no effect. */
  end(): Promise<void>;
}

/** Faults that need only the bytes of a line. They also work on encrypted lines. */
export type LineFault = Extract<Fault, { do: "cut" | "one-way" | "line" | "half-open" | "reset" }>;
export type Line = Pick<TcpProxy, "cut" | "oneWay" | "heal" | "freeze" | "thaw" | "setLine" | "reset" | "drop"> & {
  readonly tcp: TcpProxy["counts"];
};

/** Starts a fault on every line. */
export function injectIntoLines(lines: readonly Line[], fault: LineFault): Injection {
  const before = lines.map(({ tcp }) => hitsOf(tcp));
  const hits = (): number => lines.reduce((sum, { tcp }, i) => sum + hitsOf(tcp) - (before[i] ?? 0), 0);
  let timer: NodeJS.Timeout | null = null;
  for (const line of lines) {
    if (fault.do === "cut") line.cut(fault.how);
    if (fault.do === "one-way") line.oneWay(fault.blocked);
    if (fault.do === "line") line.setLine(fault.quality);
    if (fault.do === "half-open") line.freeze();
  }
  if (fault.do === "reset") {
    timer = setInterval(() => {
      for (const line of lines) line.reset();
    }, fault.everyMs);
  }
  return {
    hits,
    async end() {
      if (timer !== null) clearInterval(timer);
      for (const line of lines) {
        line.heal();
        line.thaw();
        line.setLine({});
      }
    },
  };
}

function hitsOf(counts: TcpProxy["counts"]): number {
  const { connections: _, ...faults } = counts;
  return Object.values(faults).reduce((sum, count) => sum + count, 0);
}
