/** Free space where `npm start` keeps its data, or in the current folder. */
import { statfs } from "node:fs/promises";
import path from "node:path";
import type { Session } from "../session.ts";
import { type Check, failed, ok, warn } from "./check.ts";

const MIB = 1_048_576;
const FAIL_BYTES = 100 * MIB;
const WARN_BYTES = 1_024 * MIB;

export async function checkDisk({ env, texts }: Session): Promise<Check> {
  const { doctor: t } = texts;
  const wanted = path.resolve(env["ACKTOR_DATA_DIR"] || ".acktor");
  for (const folder of [wanted, process.cwd()]) {
    const room = await statfs(folder).catch(() => null);
    if (room === null) continue;
    return judgeRoom(texts, folder, room.bavail * room.bsize);
  }
  return warn("disk", t.diskUnknown, t.diskFix);
}

export function judgeRoom({ doctor: t }: Session["texts"], folder: string, free: number): Check {
  const found = t.diskFound(folder, Math.floor(free / MIB).toLocaleString("en-US"));
  const data = { folder, free_bytes: free };
  if (free < FAIL_BYTES) return failed("disk", found, t.diskFix, data);
  return free < WARN_BYTES ? warn("disk", found, t.diskFix, data) : ok("disk", found, data);
}
