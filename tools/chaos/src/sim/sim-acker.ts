/** The acker's own parts on the simulated broker and database, wired as `acker.ts` wires them. */
import { createAckSender } from "@acktor/acker/ack/send-acks";
import { createCounts } from "@acktor/acker/control/counts";
import { createPipeline } from "@acktor/acker/pipeline";
import { createIntake } from "@acktor/acker/subscribe/intake";
import type { Pool } from "@acktor/shared/db/pool";
import { UNWATCHED } from "@acktor/shared/inspect/deliveries";
import type { Link } from "@acktor/shared/link/link";
import { DEFAULT_ACK_PREFIX, DEFAULT_PRESENCE_PREFIX } from "@acktor/shared/protocol/topics";
import { LogThrottle } from "@acktor/shared/runtime/log-throttle";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { Random } from "../seeded-random.ts";
import type { SimProcess, VirtualTime } from "./virtual-time.ts";

const LIMIT = 64;

export interface SimAckerParts {
  readonly time: VirtualTime;
  readonly owner: SimProcess;
  readonly random: Random;
  readonly link: Link;
  readonly pool: Pool;
  readonly logger: Logger;
}

export function startSimAcker({ time, owner, random, link, pool, logger }: SimAckerParts): { stop(): void } {
  const counts = createCounts();
  const now = (): number => time.now;
  const acks = createAckSender({ link, clientId: owner.name, signer: null, limit: LIMIT, counts });
  const pipeline = createPipeline({
    pool,
    acks,
    handlers: null,
    verify: { ackPrefix: DEFAULT_ACK_PREFIX, presencePrefix: DEFAULT_PRESENCE_PREFIX, trust: null },
    owner: owner.name,
    leaseMs: 5_000,
    capacity: LIMIT,
    release: (held) => intake.release(held),
    onTrouble: () => undefined,
    counts,
    throttle: new LogThrottle({ now }),
    logger,
    now,
    random,
    deliveries: UNWATCHED,
  });
  const intake = createIntake({
    limit: LIMIT,
    byteLimit: 1_048_576,
    ownPrefixes: [DEFAULT_ACK_PREFIX, DEFAULT_PRESENCE_PREFIX],
    counts,
    now,
    forward: (held) => pipeline.take(held),
  });
  intake.open();
  link.subscribe({ filter: "sim/#", qos: 1 });
  link.on("link.message", (message) => intake.receive(message));
  void link.connect();
  return {
    stop() {
      acks.stop();
      void link.stop();
    },
  };
}
