/**
 * The broker as an acker sees it: its will, all of its filters, and the topic of its announcement. The connection lasts until
 * the last SUBACK and PUBACK; nothing is taken from a group.
 */
import type { Link, PublishOutcome } from "@acktor/shared/link/link";
import type { AckerSettings } from "@acktor/shared/runtime/settings";
import type { Session } from "../session.ts";
import { printable } from "../terminal/printable.ts";
import { ackerLink, connected } from "./broker-link.ts";
import { type Check, failed, ok, warn } from "./check.ts";
import { judgeRefused } from "./check-broker.ts";

export async function checkAcker(session: Session, config: AckerSettings): Promise<Check> {
  const t = session.texts.doctor;
  const link = await ackerLink(config);
  const stop = (): void => void link.stop();
  session.signal.addEventListener("abort", stop, { once: true });
  try {
    const info = await connected(link, config.ACKTOR_CONNECT_TIMEOUT + 1_000);
    if (info.state !== "CONNECTED") {
      const { reason, code } = info.lastError ?? { reason: info.state, code: null };
      return failed("acker access", printable(reason, 300), t.ackerAccessFix, { code });
    }
    const refused = judgeRefused(session, "acker access", info, []);
    if (refused.verdict !== "OK") return refused;
    if (config.ACKTOR_PRESENCE === "on" && info.limits?.retainAvailable !== false) {
      const outcome = await clearOwn(link, `${config.ACKTOR_PRESENCE_PREFIX}/${info.clientId}`);
      if (outcome.kind !== "acked") return warn("acker access", t.presenceRefused(spell(outcome)), t.presenceFix);
    }
    return ok("acker access", t.ackerAccess(config.ACKTOR_TOPICS.length), { filters: config.ACKTOR_TOPICS.length });
  } finally {
    session.signal.removeEventListener("abort", stop);
    await link.stop();
  }
}

/** An empty retained message is no announcement, and needs the same rights as one. */
function clearOwn(link: Link, topic: string): Promise<PublishOutcome> {
  return new Promise((resolve) => link.publish({ topic, payload: "", qos: 1, retain: true }, resolve));
}

function spell(outcome: PublishOutcome): string {
  return "why" in outcome ? `${outcome.kind} ${outcome.why}` : `${outcome.kind} 0x${outcome.reasonCode.toString(16)}`;
}
