/** A message as code of an application gives it to acktor, by SQL or by HTTP. */

export interface OutgoingMessage {
  /** MQTT topic name: no wildcards, no leading `$`, at most 100 levels, not under acktor's own prefixes. */
  readonly topic: string;
  /** Text goes out as it is (UTF-8), bytes as base64. At most 262,144 bytes. Objects are the caller's to encode. */
  readonly content: string | Uint8Array;
  /** Media type, told to the receiver; never looked at here. */
  readonly contentType?: string;
  /** MQTT quality of service. Default 1; 2 only where the broker has it. */
  readonly qos?: 0 | 1 | 2;
  /** The broker keeps the last message of the topic. A newer one of ours supersedes older un-acked ones. Default false. */
  readonly retain?: boolean;
  /** False: PUBACK ends the message, nobody has to process it. Default true. */
  readonly requiresAck?: boolean;
  /** Life in seconds from `deliverAt`, or from now; then the message ends `expired`. Default: the publisher's, or no end. */
  readonly ttlSeconds?: number;
  /** PUBLISHes after the first; 0 = one try. Default: the publisher's, or no limit. */
  readonly maxRetries?: number;
  /** Messages of one key arrive in commit order, one at a time. Not together with `deliverAt`. */
  readonly orderingKey?: string;
  /** Not sent before this moment. Default now. */
  readonly deliverAt?: Date;
}

/** Content as the outbox keeps it. */
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
