/** What CONNACK granted. The driver does not respect these limits; the pipe does. */
import type { BrokerLimits } from "./messages.ts";

/** Properties of a CONNACK of MQTT 5. */
export interface ConnackProperties {
  readonly receiveMaximum?: number | undefined;
  readonly maximumPacketSize?: number | undefined;
  readonly maximumQoS?: number | undefined;
  readonly retainAvailable?: boolean | undefined;
  readonly sharedSubscriptionAvailable?: boolean | undefined;
  /** Seconds. */
  readonly serverKeepAlive?: number | undefined;
}

/** The largest packet that MQTT's length field can express. */
const MAX_PACKET_BYTES = 268_435_460;

/**
 * @param sharedOn311 whether to use `$share` on 3.1.1, where no broker announces it: aedes and nats-server grant it there
 *   and deliver nothing
 */
export function brokerLimits(
  protocolVersion: 4 | 5,
  properties: ConnackProperties | undefined,
  sharedOn311: boolean,
): BrokerLimits {
  const { receiveMaximum, maximumPacketSize, maximumQoS, retainAvailable, sharedSubscriptionAvailable } =
    properties ?? {};
  return {
    receiveMaximum: receiveMaximum ?? 65_535,
    maximumPacketSize: Math.min(maximumPacketSize ?? MAX_PACKET_BYTES, MAX_PACKET_BYTES),
    maximumQos: maximumQoS === 0 ? 0 : maximumQoS === 1 ? 1 : 2,
    retainAvailable: retainAvailable ?? true,
    sharedSubscriptions: protocolVersion === 5 ? (sharedSubscriptionAvailable ?? true) : sharedOn311,
  };
}
