/** Why a session ended or a publish failed, as the connection saw it. `link/classify-failure.ts` decides what follows. */

/** Codes are those of the wire. */
export type FailureInput =
  | { readonly kind: "error"; readonly code: string | null; readonly message: string }
  | { readonly kind: "closed"; readonly beforeConnack: boolean }
  | { readonly kind: "connack"; readonly protocolVersion: 4 | 5; readonly code: number }
  | { readonly kind: "suback"; readonly protocolVersion: 4 | 5; readonly code: number; readonly filter: string }
  | { readonly kind: "puback"; readonly code: number }
  | { readonly kind: "disconnect"; readonly code: number }
  | { readonly kind: "malformed"; readonly message: string }
  | { readonly kind: "deadline"; readonly of: Deadline; readonly afterMs: number }
  | { readonly kind: "bug"; readonly message: string };

/** What took too long: CONNECTED, one SUBACK, one PUBACK, any byte while an answer is due, any byte at all. */
export type Deadline = "connect" | "suback" | "puback" | "silence" | "keepalive";
