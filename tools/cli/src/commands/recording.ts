/**
 * A recording: JSON Lines as the console writes and reads them. A head that says what it is and draws the charts, then one
 * event of an actor or of deliveries a line.
 *
 * Invariants:
 *  1. Whole lines only, in the order of arrival; an event that is there already (same boot, not newer) is not written again.
 *  2. What a stream brings first (the newest events that the instances still have) is written too, so that what was missed
 *     between two streams is in it.
 */
import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { type InspectEvent, type MachineDefinition, WIRE_VERSION } from "@acktor/shared/inspect/wire";
import { RECORDING_KIND } from "@acktor/shared/inspect/wire-form";
import type { WatchLine } from "./describe-event.ts";

export class Recorder {
  readonly #file: WriteStream;
  readonly #seen = new Map<string, number>();
  #hasHead = false;

  private constructor(file: WriteStream) {
    this.#file = file;
  }

  /** A new file, readable by its owner. @returns the code of what keeps it from being written, where something does */
  static open(path: string): Promise<Recorder | string> {
    return new Promise((resolve) => {
      const file = createWriteStream(path, { flags: "wx", mode: 0o600 });
      file.once("open", () => resolve(new Recorder(file)));
      file.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
  }

  /** Rejects when the file cannot be written any more (a full disk). */
  async add(line: WatchLine): Promise<void> {
    if (line.event === "snapshot") {
      await this.#writeHead(line.data.definitions);
      const recent = line.data.instances.flatMap((instance) => instance.recent ?? []);
      for (const event of recent.toSorted((a, b) => a.ts - b.ts)) await this.#write(event);
    } else if (line.event === "inspect") {
      await this.#writeHead([]);
      await this.#write(line.data);
    }
  }

  /** Resolves when all is in the file. */
  end(): Promise<void> {
    return new Promise((resolve) => void this.#file.end(() => resolve()));
  }

  async #writeHead(definitions: readonly MachineDefinition[]): Promise<void> {
    if (this.#hasHead) return;
    this.#hasHead = true;
    await this.#line({
      kind: RECORDING_KIND,
      v: WIRE_VERSION,
      saved_at: new Date().toISOString(),
      gaps: [],
      definitions,
    });
  }

  async #write(event: InspectEvent): Promise<void> {
    if (event.seq <= (this.#seen.get(event.boot) ?? 0)) return;
    this.#seen.set(event.boot, event.seq);
    await this.#line(event);
  }

  async #line(value: object): Promise<void> {
    if (this.#file.errored !== null) throw this.#file.errored;
    if (!this.#file.write(`${JSON.stringify(value)}\n`)) await once(this.#file, "drain");
  }
}
