/** How this acker signs: with a key of its own where it has one, else with the secret that it shares with the publisher. */
import { type Ack, signAck } from "@acktor/shared/protocol/ack";
import { signAckWithKey } from "@acktor/shared/protocol/ack-signature";
import type { AckerSettings } from "@acktor/shared/runtime/settings";

/** Null where neither is configured. */
export function ackSigner(
  config: Pick<AckerSettings, "ACKTOR_ACK_PRIVATE_KEY" | "ACKTOR_ACK_SECRET">,
): ((ack: Ack) => string) | null {
  const { ACKTOR_ACK_PRIVATE_KEY: key, ACKTOR_ACK_SECRET: secret } = config;
  if (key !== null) return (ack) => signAckWithKey(ack, key);
  return secret === null ? null : (ack) => signAck(ack, secret);
}
