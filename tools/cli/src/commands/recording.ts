/**
 * A recording: JSON Lines that the console also reads and writes. The first line has the format and the charts; each other
 * line is one event of an actor or of deliveries.
 *
 * Invariants:
 *  RECORDER-1. An event is written once: one with the same boot and no higher number is skipped.
 *  RECORDER-2. The recent events at the beginning of a stream are written too: they fill the gap between two streams.
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

  /** Opens a new file, readable only by its owner. @returns the error code if that fails */
  static open(path: string): Promise<Recorder | string> {
    return new Promise((resolve) => {
      const file = createWriteStream(path, { flags: "wx", mode: 0o600 });
      file.once("open", () => resolve(new Recorder(file)));
      file.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
  }

  /** Rejects if the file cannot be written, for example because the disk is full. */
  async add(line: WatchLine): Promise<void> {
    if (line.event === "snapshot") {
      await this.#writeHead(line.data.definitions);
      // RECORDER-2
      const recent = line.data.instances.flatMap((instance) => instance.recent ?? []);
      for (const event of recent.toSorted((a, b) => a.ts - b.ts)) await this.#write(event);
    } else if (line.event === "inspect") {
      await this.#writeHead([]);
      await this.#write(line.data);
    }
  }

  /** Resolves when everything is in the file. */
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
    if (event.seq <= (this.#seen.get(event.boot) ?? 0)) return; // RECORDER-1
    this.#seen.set(event.boot, event.seq);
    await this.#line(event);
  }

  async #line(value: object): Promise<void> {
    if (this.#file.errored !== null) throw this.#file.errored;
    if (!this.#file.write(`${JSON.stringify(value)}\n`)) await once(this.#file, "drain");
  }
}
