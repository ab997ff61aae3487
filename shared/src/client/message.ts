/** A message as an application gives it to acktor, by SQL or by HTTP. */

export interface OutgoingMessage {
  /** MQTT topic name: no wildcards, no leading `$`, at most 100 levels, not under acktor's own prefixes. */
  readonly topic: string;
  /** Text is sent unchanged (UTF-8), bytes as base64. At most 262,144 bytes. The caller encodes objects. */
  readonly content: string | Uint8Array;
  /** Media type for the receiver; acktor does not interpret it. */
  readonly contentType?: string;
  /** MQTT quality of service. Default 1; 2 only where the broker supports it. */
  readonly qos?: 0 | 1 | 2;
  /** The broker keeps the last message of the topic. A newer one of ours supersedes older un-acked ones. Default false. */
  readonly retain?: boolean;
  /** False: PUBACK completes the message, no receiver has to process it. Default true. */
  readonly requiresAck?: boolean;
  /** Life in seconds from `deliverAt`, or from now; then the message becomes `expired`. Default: the publisher's, or unlimited. */
  readonly ttlSeconds?: number;
  /** PUBLISHes after the first; 0 = one try. Default: the publisher's, or no limit. */
  readonly maxRetries?: number;
  /**
   * Trust the broker's copy for so many seconds: it waits in the session of a receiver that sleeps, and the message is not sent
   * again meanwhile. Only with qos 1 or 2 and `requiresAck`. Default: the publisher's, or 0.
   */
  readonly holdSeconds?: number;
  /** Messages of one key arrive in commit order, one at a time. Not together with `deliverAt`. */
  readonly orderingKey?: string;
  /** Not sent before this moment. Default now. */
  readonly deliverAt?: Date;
}

/** Content as the outbox stores it. */
export interface EncodedContent {
  readonly text: string;
  readonly encoding: "utf8" | "base64";
}

export function encodeContent(content: string | Uint8Array): EncodedContent {
  if (typeof content === "string") return { text: content, encoding: "utf8" };
  return {
    text: Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString("base64"),
    encoding: "base64",
  };
}
