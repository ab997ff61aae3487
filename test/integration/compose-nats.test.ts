/** The rights that compose gives on NATS, at a real server: each user does all that its service does, and nothing else. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { authorization, inboxOf, natsUsers } from "@acktor/compose/nats-files";
import { subjectsUnder } from "@acktor/shared/protocol/subjects";
import { connect, type NatsConnection } from "nats";
import { testAcker, testBroker } from "../support/acker.ts";
import { cleanUp } from "../support/cleanup.ts";
import { testFolder } from "../support/compose-certificates.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { testDatabase } from "../support/postgres.ts";
import { testPublisher } from "../support/publisher.ts";
import { until } from "../support/until.ts";

const SUBJECTS = subjectsUnder("acktor.v1");
const USERS = natsUsers("acktor.v1", { publisher: "p-secret", acker: "a-secret" });
type User = "publisher" | "acker";

async function composeNats(t: TestContext): Promise<NatsServer | null> {
  const file = path.join(testFolder(t), "nats.conf");
  writeFileSync(file, authorization(USERS));
  return startNatsServer(t, { args: ["-c", file] });
}

function urlOf(server: NatsServer, user: User): string {
  const password = USERS.find((one) => one.user === user)?.password ?? "";
  return `nats://${user}:${password}@127.0.0.1:${server.port}`;
}

interface Tried {
  /** `publish` or `subscribe`, and the subject, of what the server refused. */
  readonly refused: Set<string>;
  readonly connection: NatsConnection;
}

async function login(t: TestContext, server: NatsServer, user: User): Promise<Tried> {
  const { username: name, password: pass } = new URL(urlOf(server, user));
  const connection = await connect({ servers: `127.0.0.1:${server.port}`, user: name, pass, reconnect: false });
  cleanUp(t, () => connection.close());
  const refused = new Set<string>();
  const listen = async (): Promise<void> => {
    for await (const { permissionContext } of connection.status()) {
      if (permissionContext) refused.add(`${permissionContext.operation} ${permissionContext.subject}`);
    }
  };
  void listen().catch((error: unknown) => refused.add(String(error)));
  return { refused, connection };
}

/** A server tells refusals in the order of what it refuses: with the last one, all are there. */
async function settle({ connection, refused }: Tried): Promise<void> {
  connection.publish("forbidden.to.all", "");
  await until(() => refused.delete("publish forbidden.to.all"), 5_000, "the last refusal");
}

const CMD = (service: User, instance: string | null, verb: string): string => SUBJECTS.command(service, instance, verb);

/** Of everything that is said on the bus, who may say it. */
const SAYS: readonly (readonly [subject: string, users: readonly User[]])[] = [
  [SUBJECTS.event("publisher", "p.1", "link"), ["publisher"]],
  [SUBJECTS.event("acker", "a1", "deliveries"), ["acker"]],
  [SUBJECTS.watch, ["publisher"]],
  [SUBJECTS.announce("publisher", "p.1"), ["publisher"]],
  [SUBJECTS.announce("acker", "a1"), ["acker"]],
  [SUBJECTS.snapshot("publisher"), ["publisher"]],
  [SUBJECTS.snapshot("acker"), ["publisher"]],
  [SUBJECTS.receipts, ["publisher"]],
  [SUBJECTS.audit, ["acker"]],
  [SUBJECTS.enqueue, []],
  [SUBJECTS.wake, []],
  [CMD("publisher", "p.1", "breaker.open"), ["publisher"]],
  [CMD("publisher", null, "pause"), ["publisher"]],
  [CMD("acker", "a1", "drain"), ["publisher"]],
  [CMD("acker", null, "drain"), ["publisher"]],
  ["_INBOX.x", []],
  [`${inboxOf("publisher")}.x`, []],
  [`${inboxOf("acker")}.x`, []],
  ["$SRV.PING", []],
  ["$SYS.REQ.SERVER.PING", []],
  ["acktor.v2.enqueue", []],
  ["other", []],
];

/** Who may listen; with a queue, as its member alone. */
const HEARS: readonly (readonly [subject: string, users: readonly User[], queue?: string])[] = [
  [SUBJECTS.allEvents, ["publisher"]],
  [SUBJECTS.allAnnouncements, ["publisher"]],
  [SUBJECTS.watch, ["publisher", "acker"]],
  [SUBJECTS.snapshot("publisher"), ["publisher"]],
  [SUBJECTS.snapshot("acker"), ["acker"]],
  [SUBJECTS.commandsFor("publisher", "p.1")[0], ["publisher"]],
  [SUBJECTS.commandsFor("publisher", "p.1")[1], ["publisher"]],
  [SUBJECTS.commandsFor("acker", "a1")[0], ["acker"]],
  [SUBJECTS.commandsFor("acker", "a1")[1], ["acker"]],
  [SUBJECTS.receipts, ["acker"]],
  [SUBJECTS.wake, ["publisher"]],
  [SUBJECTS.enqueue, ["publisher"], "enqueue"],
  [SUBJECTS.enqueue, []],
  [SUBJECTS.audit, ["publisher"], "audit"],
  [SUBJECTS.audit, []],
  ["_INBOX.>", []],
  [`${inboxOf("publisher")}.>`, ["publisher"]],
  [`${inboxOf("acker")}.>`, ["acker"]],
  ["$SRV.PING", ["publisher", "acker"]],
  ["$SRV.>", []],
  ["$SYS.>", []],
  ["acktor.v1.>", []],
  ["acktor.v1.cmd.>", []],
  [">", []],
];

for (const user of ["publisher", "acker"] as const) {
  test(`COMPOSE-1: ${user} says and hears what is in the table, and is refused the rest`, async (t) => {
    const server = await composeNats(t);
    if (server === null) return;
    const tried = await login(t, server, user);
    for (const [subject, users] of SAYS) {
      tried.connection.publish(subject, "x");
      await settle(tried);
      assert.equal(!tried.refused.delete(`publish ${subject}`), users.includes(user), `${user} says ${subject}`);
    }
    for (const [subject, users, queue] of HEARS) {
      let refused = false;
      const options = {
        ...(queue === undefined ? {} : { queue }),
        callback: (error: Error | null) => {
          refused ||= error !== null;
        },
      };
      const subscription = tried.connection.subscribe(subject, options);
      await settle(tried);
      tried.refused.clear();
      subscription.unsubscribe();
      assert.equal(!refused, users.includes(user), `${user} hears ${subject} ${queue ?? ""}`);
    }
  });
}

test("COMPOSE-1: a publisher and an acker with these rights see, command, audit and ask each other", async (t) => {
  const server = await composeNats(t);
  if (server === null) return;
  const [database, broker] = await Promise.all([testDatabase(t), testBroker(t)]);
  const env = (user: User) => ({
    DATABASE_URL: database.url,
    MQTT_URL: broker.url,
    NATS_URL: urlOf(server, user),
    ACKTOR_NATS_INBOX: inboxOf(user),
    ACKTOR_NATS_SECRET: "a-secret-of-this-test",
  });
  const publisher = await testPublisher(t, env("publisher"));
  const acker = await testAcker(t, env("acker"));
  const spy = await login(t, server, "acker");
  const overheard: string[] = [];
  spy.connection.subscribe("acktor.v1.cmd.acker.*.>", {
    callback: (_, message) => void overheard.push(message.string()),
  });
  await spy.connection.flush();
  const instances = async () => ((await publisher.ask("GET", "/v1/machines")).json["instances"] as unknown[]).length;
  await until(async () => (await instances()) === 2, 10_000, "both to be seen");
  const paused = await publisher.ask("POST", "/v1/control/pause?service=acker&instance=acker-1", {});
  assert.deepEqual([paused.status, paused.json], [200, { state: "PAUSED" }]);
  await publisher.ask("POST", "/v1/control/resume?service=acker&instance=all", {});
  const id = await publisher.send({ topic: "data/1", content: "x" });
  await until(async () => (await publisher.state(id)) === "acknowledged", 10_000, "the message to be acknowledged");
  const receipts = await publisher.ask("GET", `/v1/messages/${id}/receipts`);
  assert.deepEqual(receipts.json["ackers"], { known: 1, answered: 1 });
  const actions = (await publisher.ask("GET", "/v1/audit")).json["actions"] as { action: string; outcome: string }[];
  assert.deepEqual(
    actions.map(({ action, outcome }) => `${action} ${outcome}`),
    ["resume done", "pause done"],
  );
  const log = [...publisher.log, ...acker.log.map((line) => JSON.stringify(line))].join("\n");
  assert.doesNotMatch(log, /Permissions Violation|refused a subscription/i);
  assert.ok(overheard.length >= 2 && overheard.every((text) => !text.includes("a-secret-of-this-test")));
});
