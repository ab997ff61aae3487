/** Describes the machine of a run, for reports. */
import os from "node:os";

export function describeMachine(): string {
  const memory = `${Math.round(os.totalmem() / 2 ** 30)} GiB`;
  return `${os.availableParallelism()} cores, ${memory}, Node ${process.versions.node}, ${os.type()} ${os.arch()}`;
}
