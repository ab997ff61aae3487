/** Ports for servers that tests start. */
import { portIsFree } from "@acktor/embedded/ports";

const LOWEST = 15_000;
const COUNT = 15_000;

/**
 * A free port of 127.0.0.1, below the range that systems use for outgoing connections: it is still free when a stopped server
 * starts again on it.
 */
export async function anyPort(): Promise<number> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * COUNT);
    if (await portIsFree(port)) return port;
  }
}
