/** The Python of the protocol's reference signs as acktor does. Where there is no python3 it is left out. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { checksumOf, type Envelope } from "@acktor/shared/protocol/envelope";
import { OUTBOX, plainAck, sealed, signed } from "../support/proof.ts";

const SECRET = "the secret that both ends share";
const PAGE = readFileSync(new URL("../../docs/reference/protocol.md", import.meta.url), "utf8");

test("the reference's Python signs an ack as our acker does", (t) => {
  const block = /```python\n([\s\S]*?)```/.exec(PAGE)?.[1] ?? "";
  assert.match(block, /def sign_ack/);
  const content = "21,5 °C";
  const id = "0191f3c4-7f00-7000-8000-000000000001";
  const envelope = sealed({ message_id: id, topic: "heiß/1", content }, SECRET) as Envelope;
  const checksum = checksumOf(content, "utf8");
  const call = `import json, sys\ne = json.load(sys.stdin)\nprint(sign_ack(${JSON.stringify(SECRET)}, e, "line-3", "${checksum}"))`;
  const input = JSON.stringify(envelope);
  const run = spawnSync("python3", ["-c", `${block}\n${call}`], { input, encoding: "utf8" });
  if (run.error !== undefined) {
    t.diagnostic("python3 is not installed: left out");
    return;
  }
  const ours = signed(plainAck({ message_id: id, client_id: "line-3", topic: "heiß/1", checksum }), SECRET, OUTBOX);
  assert.equal(run.stdout.trim(), ours.signature, run.stderr);
});
