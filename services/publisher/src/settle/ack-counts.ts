/** What arrived under the ack prefix, by its outcome, for `/v1/status` and the metrics. */
export interface AckCounts {
  received: number;
  settled: number;
  late: number;
  malformed: number;
  unsigned: number;
  /** Dropped unverified: too many forged ones came with them. */
  unverified: number;
  retained: number;
  checksumMismatch: number;
  /** Of messages that were sent to another topic. */
  topicMismatch: number;
  duplicate: number;
  otherClient: number;
  /** Of a further receiver, beyond those that are kept for one message. */
  tooMany: number;
  unknown: number;
  /** Without a status and with fields that acktor does not know; they count as processed. */
  unknownWords: number;
  rejected: number;
  /** Receivers that asked for patience. */
  working: number;
  /** Rejected with a token that is not the current one. */
  stale: number;
  dropped: number;
}

export const newAckCounts = (): AckCounts => ({
  received: 0,
  settled: 0,
  late: 0,
  malformed: 0,
  unsigned: 0,
  unverified: 0,
  retained: 0,
  checksumMismatch: 0,
  topicMismatch: 0,
  duplicate: 0,
  otherClient: 0,
  tooMany: 0,
  unknown: 0,
  unknownWords: 0,
  rejected: 0,
  working: 0,
  stale: 0,
  dropped: 0,
});
