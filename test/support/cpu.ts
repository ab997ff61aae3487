/** CPU time of this process: unlike elapsed time, it does not grow when other processes run. */

const ROUNDS = 5;

/**
 * Milliseconds of CPU that `work` takes: the minimum of five rounds. The first round includes compilation, and any round may
 * include a collection of other tests' garbage.
 */
export async function leastCpuMs(work: () => unknown): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1_000);
  }
  return least;
}
