/** Why a session ended or a publish failed, as the connection saw it. `link/classify-failure.ts` decides what follows. */

/** What a packet of MQTT 5 says about its code. */
export interface Said {
  /** Its Reason String, as received. */
  readonly said?: string | undefined;
  /** Its Server Reference, as received. */
  readonly serverReference?: string | undefined;
}

/** Codes are those of the wire. */
export type FailureInput =
  | { readonly kind: "error"; readonly code: string | null; readonly message: string }
  | { readonly kind: "closed"; readonly beforeConnack: boolean }
  | ({ readonly kind: "connack"; readonly protocolVersion: 4 | 5; readonly code: number } & Said)
  | ({
      readonly kind: "suback";
      readonly protocolVersion: 4 | 5;
      readonly code: number;
      readonly filter: string;
    } & Said)
  | ({ readonly kind: "puback"; readonly code: number } & Said)
  | ({ readonly kind: "disconnect"; readonly code: number } & Said)
  /** We have nothing to log in with, or the broker wants another step than we know. */
  | { readonly kind: "credentials"; readonly code: string; readonly message: string; readonly needsOperator: boolean }
  | { readonly kind: "malformed"; readonly message: string }
  | { readonly kind: "deadline"; readonly of: Deadline; readonly afterMs: number }
  | { readonly kind: "bug"; readonly message: string };

/** What took too long: CONNECTED, one SUBACK, one PUBACK, any byte while an answer is due, any byte at all. */
export type Deadline = "connect" | "suback" | "puback" | "silence" | "keepalive";
