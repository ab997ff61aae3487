/**
 * The scope that each route of the API requires: the one table.
 *
 * Invariants:
 *  ACCESS-1. A /v1 route without an entry admits no caller; a test walks all routes that the publisher registers.
 */
import type { Scope } from "./principal.ts";

export interface Access {
  /** Null: any principal. */
  readonly scope: Scope | null;
  /** It shows all topics at once: only for principals that may read every topic. */
  readonly fleetWide?: true;
}

const SEND: Access = { scope: "send" };
const READ: Access = { scope: "read" };
const READ_ALL: Access = { scope: "read", fleetWide: true };
const OPERATE: Access = { scope: "operate" };
const ADMIN: Access = { scope: "admin" };

/** By method and route. */
export const ACCESS: Readonly<Record<string, Access>> = {
  "POST /v1/messages": SEND,
  "POST /v1/messages/batch": SEND,
  "GET /v1/messages": READ,
  "GET /v1/messages/:id": READ,
  "GET /v1/messages/:id/attempts": READ,
  "GET /v1/messages/:id/acks": READ,
  "GET /v1/messages/:id/receipts": READ,
  "POST /v1/messages/states": READ,
  "GET /v1/dead-letters": READ,
  "GET /v1/overview": READ_ALL,
  "GET /v1/stats": READ_ALL,
  "GET /v1/status": READ_ALL,
  "GET /v1/machines": READ_ALL,
  "GET /v1/events": READ_ALL,
  "POST /v1/messages/:id/replay": OPERATE,
  "POST /v1/messages/:id/cancel": OPERATE,
  "POST /v1/messages/:id/acknowledge": OPERATE,
  "POST /v1/messages/cancel": OPERATE,
  "POST /v1/dead-letters/replay": OPERATE,
  "POST /v1/dead-letters/acknowledge": OPERATE,
  "POST /v1/dead-letters/discard": OPERATE,
  "POST /v1/link/connect": OPERATE,
  "POST /v1/link/disconnect": OPERATE,
  "POST /v1/link/reset": OPERATE,
  "POST /v1/breaker/open": OPERATE,
  "POST /v1/breaker/close": OPERATE,
  "POST /v1/control/pause": OPERATE,
  "POST /v1/control/resume": OPERATE,
  "POST /v1/control/drain": OPERATE,
  "GET /v1/audit": ADMIN,
  "GET /v1/principals": ADMIN,
  "POST /v1/principals": ADMIN,
  "DELETE /v1/principals/:name": ADMIN,
  "GET /v1/me": { scope: null },
};
