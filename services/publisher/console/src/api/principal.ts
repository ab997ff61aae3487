/** The signed-in principal, as `GET /v1/me` returns it, and its scopes. */
export type Scope = "send" | "read" | "operate" | "admin";

export interface Me {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** MQTT filters. */
  readonly topics: { readonly write: readonly string[]; readonly read: readonly string[] };
  readonly requests_per_second: number | null;
  readonly most_waiting: number | null;
  /** ISO 8601. */
  readonly expires_at: string | null;
  /** False: the publisher requires no token from its own machine. */
  readonly authenticated: boolean;
}

/** A line of the audit. */
export interface AuditAction {
  readonly action_id: string;
  readonly at: string;
  /** Authenticated. */
  readonly who: string;
  /** The caller's own claim, not verified; absent in older versions. */
  readonly said?: string | null;
  readonly action: string;
  readonly origin: string | null;
  readonly outcome: string;
  readonly messages: number;
  readonly detail: unknown;
}

export interface AuditPage {
  readonly actions: readonly AuditAction[];
  readonly next_before?: string | null;
}

/** A principal as admins see it. */
export interface Principal extends Omit<Me, "authenticated"> {
  readonly created_at: string;
  readonly created_by: string;
  readonly revoked_at: string | null;
}

export const SCOPES: readonly Scope[] = ["send", "read", "operate", "admin"];
