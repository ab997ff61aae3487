/** Finds and ends the processes that tests left running. Where there is no /proc, none is found. */
import { existsSync, readdirSync, readFileSync } from "node:fs";

const GRACE_MS = 3_000;
const POLL_MS = 100;

/** Kills what still runs after a period of grace. @returns how many processes that were */
export async function endLeftovers(support, id, folder) {
  const end = performance.now() + GRACE_MS;
  let left = await leftovers(support, id, folder);
  while (left.length > 0 && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    left = await leftovers(support, id, folder);
  }
  for (const { pid, command } of left) {
    console.error(`left running by the tests: ${pid} ${command}`);
    kill(pid);
  }
  return left.length;
}

/** Processes of this run: they have its id in their environment, or they work with files in its folder. */
async function leftovers({ findProcess }, id, folder) {
  if (!existsSync("/proc/self/environ")) return [];
  const found = [];
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)) {
    const info = await findProcess(Number(name));
    if (info === null) continue;
    const ours = readIfThere(`/proc/${name}/environ`).includes(`TEST_RUN_ID=${id}`);
    if (ours || info.command.includes(folder) || info.directory?.startsWith(folder)) {
      found.push({ pid: Number(name), command: info.command.trim().slice(0, 200) });
    }
  }
  return found;
}

/** A file of /proc; empty when the process has exited or belongs to another user. */
function readIfThere(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(error.code)) return "";
    throw error;
  }
}

function kill(pid) {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}
