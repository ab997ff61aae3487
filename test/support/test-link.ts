/** A real link with short times. It keeps its facts, and is stopped with the test. */

import type { TestContext } from "node:test";
import { createLink } from "@acktor/shared/link/create-link";
import type { Link, LinkEvents, OutgoingPublish, PublishOutcome } from "@acktor/shared/link/link";
import type { LinkOptions } from "@acktor/shared/link/link-options";
import { cleanUp } from "./cleanup.ts";
import { until } from "./until.ts";

type Heard = { [K in keyof LinkEvents]: { readonly event: K; readonly fact: LinkEvents[K] } }[keyof LinkEvents];

export interface TestLink {
  readonly link: Link;
  readonly heard: readonly Heard[];
  /** Names of connection states, in the order in which they were entered. */
  states(): string[];
  /** Facts of one kind. */
  facts<K extends keyof LinkEvents>(event: K): LinkEvents[K][];
  /** Resolves when the connection is in `state`. */
  reaches(state: string, timeoutMs?: number): Promise<void>;
  /** Publishes a message. @returns its outcome */
  publish(message?: Partial<OutgoingPublish>): Promise<PublishOutcome>;
}

const EVENTS = [
  "link.connected",
  "link.disconnected",
  "link.reconnected",
  "link.error",
  "link.refused",
  "link.message",
  "link.transition",
  "link.writable",
] as const;

/** Short enough for a test, long enough for a busy machine. */
export const QUICK = {
  connectTimeoutMs: 2_000,
  backoff: { baseMs: 20, capMs: 100, floorMs: 10 },
  breaker: { openBaseMs: 100, connectOpenCapMs: 100 },
} as const satisfies Partial<LinkOptions>;

export function testLink(t: TestContext, options: LinkOptions): TestLink {
  const link = createLink({ ...QUICK, ...options });
  cleanUp(t, () => link.stop());
  const heard: Heard[] = [];
  for (const event of EVENTS) link.on(event, (fact) => heard.push({ event, fact } as Heard));
  const facts = <K extends keyof LinkEvents>(event: K): LinkEvents[K][] =>
    heard.filter((one) => one.event === event).map(({ fact }) => fact as LinkEvents[K]);
  return {
    link,
    heard,
    facts,
    states: () => facts("link.transition").flatMap(({ region, to }) => (region === "connection" ? [to] : [])),
    async reaches(state, timeoutMs = 10_000) {
      await until(
        () => link.info().state === state,
        timeoutMs,
        `${state}, last error ${link.info().lastError?.reason}`,
      );
    },
    publish: (message = {}) =>
      new Promise((resolve) =>
        link.publish({ topic: "a/b", payload: "x", qos: 1, retain: false, ...message }, resolve),
      ),
  };
}

/** Connects, and waits until the link is CONNECTED. */
export async function connectedLink(t: TestContext, options: LinkOptions): Promise<TestLink> {
  const made = testLink(t, options);
  const result = await made.link.connect({ waitMs: 10_000 });
  if (!result.ok) throw new Error(`${result.reason}: ${made.link.info().lastError?.reason}`);
  return made;
}
