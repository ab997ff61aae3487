/** The acker's own parts on the simulated broker and database, wired as `acker.ts` wires them. */
import { AckSender } from "@acktor/acker/ack/ack-sender";
import { createCounts } from "@acktor/acker/control/counts";
import { Notices } from "@acktor/acker/control/notices";
import { PostgresInbox } from "@acktor/acker/inbox/postgres-inbox";
import { Processor } from "@acktor/acker/process/processor";
import { Intake } from "@acktor/acker/subscribe/intake";
import { Places } from "@acktor/acker/subscribe/places";
import { Verifier } from "@acktor/acker/verify/verifier";
import type { Pool } from "@acktor/shared/db/pool";
import { UNWATCHED } from "@acktor/shared/inspect/deliveries";
import type { Link } from "@acktor/shared/link/link";
import { DEFAULT_ACK_PREFIX, DEFAULT_PRESENCE_PREFIX } from "@acktor/shared/protocol/topics";
import { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import type { Logger } from "@acktor/shared/runtime/logger";
import { NO_TRACING } from "@acktor/shared/runtime/tracing";
import { NO_TROUBLES } from "@acktor/shared/runtime/troubles";
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

export function startSimAcker({ time, owner, link, pool, logger }: SimAckerParts): { stop(): void } {
  const counts = createCounts();
  const clock = { now: () => time.now, wallClock: () => time.now };
  const places = new Places({ limit: LIMIT, byteLimit: 1_048_576 });
  const acks = new AckSender({ link, clientId: owner.name, signer: null, limit: LIMIT, counts });
  const common = {
    ...{ acks, places, counts, clock, deliveries: UNWATCHED, tracing: NO_TRACING, troubles: NO_TROUBLES },
    notices: new Notices(logger, clock),
    guard: new ListenerGuard({ logger, clock }),
  };
  const prefixes = { ackPrefix: DEFAULT_ACK_PREFIX, presencePrefix: DEFAULT_PRESENCE_PREFIX };
  const processor = new Processor({
    ...common,
    inbox: new PostgresInbox({
      pool,
      slots: { run: () => neverRuns(), stop: () => undefined },
      migrates: false,
      logger,
    }),
    verifier: new Verifier({ ...common, ...prefixes, trust: null }),
    runs: null,
    run: owner.name,
    leaseMs: 5_000,
    capacity: LIMIT,
  });
  const ownPrefixes = [DEFAULT_ACK_PREFIX, DEFAULT_PRESENCE_PREFIX];
  const intake = new Intake({ places, next: processor, ownPrefixes, counts, clock });
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

function neverRuns(): never {
  throw new Error("the simulation has no transactions of handlers");
}
