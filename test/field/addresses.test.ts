/**
 * Identity at the broker: client ids.
 *
 * Quick: no server.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clientIdFault, clientIdOf } from "@acktor/shared/runtime/client-id";

// CLIENT_ID-1
test("the default client id has at most 23 letters and digits; an acker's is the same after a restart", () => {
  const of = (role: "publisher" | "acker", stable: boolean) => clientIdOf(null, { role, instance: "a-1", stable });
  for (const id of [of("publisher", false), of("acker", true)]) assert.match(id, /^[0-9a-zA-Z]{1,23}$/);
  assert.notEqual(of("publisher", false), of("publisher", false));
  assert.equal(of("acker", true), of("acker", true));
});

test("a client id by a template", () => {
  const parts = { role: "acker", instance: "a-1", stable: true } as const;
  assert.equal(clientIdOf("plant7", parts), "plant7");
  assert.match(clientIdOf("{role}/{instance}/{random}", parts), /^acker\/a-1\/[0-9a-f]{12}$/);
  assert.equal(clientIdFault("{role}-{host}"), null);
  assert.match(clientIdFault("{hots}") ?? "", /\{hots\}/);
});
