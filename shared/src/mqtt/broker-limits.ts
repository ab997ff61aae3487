/** What CONNACK granted. The driver does not keep to these; we do. */
import type { BrokerLimits } from "./messages.ts";

/** The properties of a CONNACK of MQTT 5 that bound what may be sent. */
export interface ConnackProperties {
  readonly receiveMaximum?: number | undefined;
  readonly maximumPacketSize?: number | undefined;
  readonly maximumQoS?: number | undefined;
  readonly retainAvailable?: boolean | undefined;
  readonly sharedSubscriptionAvailable?: boolean | undefined;
}

/** The largest packet that MQTT's length field can say. */
const MAX_PACKET_BYTES = 268_435_460;

/**
 * @param sharedOn311 whether `$share` is to be used on 3.1.1, where no broker says if it has it: aedes and nats-server
 *   grant it there and deliver nothing
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
