/** CPU time of this process: unlike elapsed time, it does not grow when other processes run. */

const ROUNDS = 5;

/**
 * Milliseconds of CPU that `work` takes, the least of five rounds: the first one is compiled while it runs, and garbage of
 * other tests may be collected during any.
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
