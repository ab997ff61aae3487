/**
 * Where the services' log lines go when a person has the terminal: a file, with the one before it kept.
 *
 * Invariants:
 *  1. The two files together never pass twice `limitBytes`.
 *  2. A full disk costs log lines, not the services: what could not be written is counted, and the count is written
 *     as soon as there is room.
 */
import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";

export interface LogFile {
  write(line: string): void;
  /** Twice is fine; later lines are dropped. */
  close(): void;
}

const LIMIT_BYTES = 10 * 1_048_576;

/** Opens `file` for appending. Throws what opening throws; later faults are counted. */
export function openLogFile(file: string, limitBytes = LIMIT_BYTES): LogFile {
  let descriptor: number | null = openSync(file, "a", 0o600);
  let size = fstatSync(descriptor).size;
  let lost = 0;
  const turn = (open: number): number => {
    closeSync(open);
    renameSync(file, `${file}.1`);
    size = 0;
    return openSync(file, "a", 0o600);
  };
  return {
    write(line) {
      if (descriptor === null) return;
      const note = lost === 0 ? "" : `{"level":"warn","message":"${lost} log lines could not be written"}\n`;
      try {
        if (size > limitBytes) descriptor = turn(descriptor);
        size += writeSync(descriptor, note + line);
        lost = 0;
      } catch {
        lost += 1; // the disk is full or the folder has gone; told by the next line that gets through
      }
    },
    close() {
      if (descriptor !== null) closeSync(descriptor);
      descriptor = null;
    },
  };
}
