/**
 * The file of the services' log lines while progress is on the terminal; the previous file is kept.
 *
 * Invariants:
 *  LOGFILE-1. The two files together never exceed twice `limitBytes`.
 *  LOGFILE-2. A full disk costs log lines, not the services: lost lines are counted, and the count is written when there is room.
 */
import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";

export interface LogFile {
  write(line: string): void;
  /** Later lines are dropped. */
  close(): void;
}

const LIMIT_BYTES = 10 * 1_048_576;

/** Opens `file` for appending. Throws the error of opening; later faults are counted. */
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
        if (size > limitBytes) descriptor = turn(descriptor); // LOGFILE-1
        size += writeSync(descriptor, note + line);
        lost = 0;
      } catch {
        lost += 1; // LOGFILE-2
      }
    },
    close() {
      if (descriptor !== null) closeSync(descriptor);
      descriptor = null;
    },
  };
}
