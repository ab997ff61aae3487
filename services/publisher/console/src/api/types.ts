/** The publisher's answers (docs/reference/http.md). Times are ISO 8601 except where a comment says milliseconds. */
export const MESSAGE_STATES = ["pending", "sent", "acknowledged", "failed", "expired"] as const;
export type MessageState = (typeof MESSAGE_STATES)[number];

export interface Overview {
  /** Milliseconds since 1970, as are `since`, `began_at`, `ended_at` below. */
  readonly at: number;
  readonly instance: string;
  readonly version: string;
  readonly state: string;
  readonly counts: Readonly<Record<MessageState, number>> | null;
  readonly success_rate: number | null;
  readonly rates: {
    readonly window_seconds: number;
    readonly accepted: number;
    readonly published: number;
    readonly acknowledged: number;
  };
  readonly waiting: number | null;
  readonly high_water: number;
  readonly oldest_waiting_seconds: number | null;
  readonly end_to_end: {
    readonly window_seconds: number;
    readonly samples: number;
    readonly p50_ms: number | null;
    readonly p95_ms: number | null;
  };
  readonly breaker: { readonly state: string; readonly openings: number };
  readonly dependencies: readonly Dependency[];
  readonly ackers: readonly AckerSeen[];
  readonly destinations: readonly Destination[] | null;
  readonly warnings: readonly Warning[];
  readonly outage: Outage | null;
}

export interface Dependency {
  readonly name: "postgres" | "broker" | "nats";
  readonly status: "ok" | "away" | "off";
  readonly state: string | null;
  readonly detail: string | null;
  readonly address?: string;
}

export interface AckerSeen {
  readonly instance: string;
  readonly filters: readonly string[];
  readonly online: boolean;
  readonly since: number;
}

export interface Destination {
  readonly name: string;
  readonly waiting: number;
  readonly unacked: number;
  readonly oldest_at: string | null;
  readonly last_answer_at: string | null;
  readonly parked: boolean;
  readonly parked_at: string | null;
  readonly probe_at: string | null;
  readonly misses: number;
}

export interface Warning {
  readonly code: string;
  readonly since: number;
  readonly [param: string]: string | number | null;
}

export interface Outage {
  readonly began_at: number;
  readonly ended_at: number | null;
  readonly settled: boolean;
  readonly accepted: number;
  readonly acknowledged: number;
  readonly resent: number;
  readonly double: number;
}

export interface Message {
  readonly message_id: string;
  readonly topic: string;
  readonly payload: string;
  readonly content_encoding: string;
  readonly content_type: string | null;
  readonly qos: number;
  readonly retain: boolean;
  readonly requires_ack: boolean;
  readonly state: MessageState;
  readonly created_at: string;
  readonly updated_at: string;
  readonly retry_count: number;
  readonly max_retries: number | null;
  readonly ttl_seconds: number | null;
  /** The broker holds a copy; the next one is sent then. */
  readonly held_until: string | null;
  readonly deliver_at: string | null;
  readonly expires_at: string | null;
  readonly checksum: string;
  readonly reason: string | null;
  readonly ordering_key: string | null;
  readonly due_at: string | null;
  readonly parked: boolean;
  readonly lease_owner: string | null;
  readonly sent_at: string | null;
  readonly acknowledged_at: string | null;
  readonly ack_level: string | null;
  readonly late: boolean;
}

export interface MessagePage {
  readonly messages: readonly Message[];
  readonly next_before: string | null;
}

interface Attempt {
  readonly attempt: number;
  readonly outcome: "acked" | "lost" | "refused" | "rejected";
  readonly reason_code: number | null;
  readonly breaker: string | null;
  readonly sent_at: string | null;
  readonly client_id: string | null;
  readonly detail: string | null;
}

interface Ack {
  readonly client_id: string;
  readonly acknowledged_at: string;
  readonly late: boolean;
  readonly level: "processed" | "broker" | "operator";
}

export interface MessageTimeline extends Message {
  readonly attempts: readonly Attempt[];
  readonly acks: readonly Ack[];
}

/** An inbox's row of a message. */
export interface Receipt {
  readonly received_at: string;
  readonly deliveries: number;
  readonly status: "received" | "processed" | "rejected";
  readonly reason: string | null;
  readonly processed_at: string | null;
}

export interface Receipts {
  readonly receipts: readonly Receipt[];
  readonly ackers: { readonly known: number; readonly answered: number };
}

export interface DeadLetterGroup {
  readonly reason: string | null;
  readonly state: "failed" | "expired";
  readonly count: number;
  readonly oldest: string;
  readonly newest: string;
}

export interface DeadLetterGroups {
  readonly groups: readonly DeadLetterGroup[];
  readonly complete: boolean;
}

/** The result of a replay or a cancel of many messages, or of its dry run. */
export interface Swept {
  readonly dry_run: boolean;
  readonly matched: number;
  readonly replayed?: number;
  readonly cancelled?: number;
  readonly refused: number;
  /** For a replay: each reason once. */
  readonly refusals?: readonly { readonly why: string; readonly count: number }[];
}
