/** What `init` writes for each container: made once, the same at each start, and no other container's secrets. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { accessList, passwordFile } from "@acktor/compose/mosquitto-files";
import { inboxOf, natsUsers } from "@acktor/compose/nats-files";
import { type PrepareOptions, prepareSecrets } from "@acktor/compose/prepare-secrets";
import { SecretStore } from "@acktor/compose/secret-store";
import { subjectMatches, subjectsUnder } from "@acktor/shared/protocol/subjects";
import { hasOpenssl, testAuthority, testFolder } from "../../support/compose-certificates.ts";

function prepare(t: TestContext): PrepareOptions & { readonly target: string } {
  return {
    keys: testFolder(t),
    target: testFolder(t),
    topics: ["sensors/#", "orders/+/created"],
    ackPrefix: "delivery/ack",
    presencePrefix: "delivery/acker",
    natsPrefix: "acktor.v1",
    requireCertificate: false,
  };
}

test("WRITE_FOLDER-1: a second start makes and writes nothing; a lost file is written again with the same content", (t) => {
  if (!hasOpenssl(t)) return;
  const options = prepare(t);
  const first = prepareSecrets(options);
  assert.ok(first.made.length >= 10 && first.certificates.length === 6 && first.written.length > 30);
  assert.deepEqual(prepareSecrets(options), { made: [], written: [], certificates: [] });
  const url = path.join(options.target, "publisher/database-url");
  const before = readFileSync(url, "utf8");
  rmSync(url);
  assert.deepEqual(prepareSecrets(options).written, ["publisher/database-url"]);
  assert.equal(readFileSync(url, "utf8"), before);
});

test("AUTHORITY-2: no container gets the passwords or keys of another, and the authority's key stays in its folder", (t) => {
  if (!hasOpenssl(t)) return;
  const options = prepare(t);
  prepareSecrets(options);
  const kept = path.join(options.keys, "secrets");
  const owners = (secret: string): string[] =>
    readdirSync(options.target)
      .filter((name) => textBelow(path.join(options.target, name)).includes(secret))
      .sort();
  const secret = (name: string): string => readFileSync(path.join(kept, name), "utf8");
  assert.deepEqual(owners(secret("postgres-superuser")), ["postgres"]);
  assert.deepEqual(owners(secret("postgres-owner")), ["migrate", "postgres"]);
  assert.deepEqual(owners(secret("postgres-publisher")), ["postgres", "publisher"]);
  assert.deepEqual(owners(secret("postgres-acker")), ["acker", "postgres"]);
  assert.deepEqual(owners(secret("mqtt-publisher")), ["publisher"], "mosquitto knows hashes");
  assert.deepEqual(owners(secret("nats-acker")), ["acker", "nats"]);
  assert.deepEqual(owners(secret("ack-secret")), ["acker", "publisher"]);
  assert.deepEqual(owners(secret("nats-secret")), ["acker", "publisher"], "the server itself does not need it");
  assert.deepEqual(owners(secret("api-token")), ["acker", "chaos", "front", "publisher"]);
  const key = readFileSync(path.join(options.keys, "certificates/ca.key"), "utf8").split("\n")[1] ?? "";
  assert.ok(key.length > 40);
  assert.deepEqual(owners(key), []);
});

function textBelow(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map((entry) => readFileSync(path.join(entry.parentPath ?? entry.path, entry.name), "utf8")).join("\n");
}

test("SECRET_STORE-1: secrets are kept, differ, and need no escapes in a URL", (t) => {
  const folder = testFolder(t);
  const store = new SecretStore(folder);
  const [one, two] = [store.secret("one"), store.secret("two")];
  assert.notEqual(one, two);
  assert.match(one, /^[A-Za-z0-9_-]{32}$/);
  assert.equal(new SecretStore(folder).secret("one"), one);
});

test("AUTHORITY-1: a certificate names its server, is signed by the authority, and is kept while it is valid", (t) => {
  const folder = testFolder(t);
  const authority = testAuthority(t, folder);
  if (authority === null) return;
  const request = { name: "broker", hosts: ["DNS:mosquitto", "IP:127.0.0.1"] };
  const issued = authority.issue(request);
  const found = new X509Certificate(issued.certificate);
  assert.ok(found.verify(new X509Certificate(authority.certificate).publicKey));
  assert.ok(found.checkHost("mosquitto") && found.checkIP("127.0.0.1"));
  assert.equal(found.checkHost("nats"), undefined);
  assert.equal(authority.issue(request).fresh, false);
  assert.equal(authority.issue({ name: "broker", hosts: ["DNS:other"] }).fresh, true, "another name");
  assert.equal(authority.issue({ name: "broker", hosts: ["DNS:other"] }).fresh, false);
  rmSync(path.join(folder, "ca.crt"));
  const again = testAuthority(t, folder);
  assert.equal(again?.issue({ name: "broker", hosts: ["DNS:other"] }).fresh, true, "another authority");
});

test("AUTHORITY-1: a certificate that expires soon is replaced", (t) => {
  const folder = testFolder(t);
  let now = Date.now();
  const authority = testAuthority(t, folder, () => now);
  if (authority === null) return;
  const request = { name: "nats", hosts: ["DNS:nats"] };
  authority.issue(request);
  now += 700 * 86_400_000;
  assert.equal(authority.issue(request).fresh, false);
  now += 60 * 86_400_000;
  assert.equal(authority.issue(request).fresh, true);
});

test("the access list gives each user its own side of the topics", () => {
  const text = accessList({ topics: ["sensors/#"], ackPrefix: "delivery/ack", presencePrefix: "delivery/acker" });
  const of = (user: string): string[] =>
    (text.split(`user ${user}\n`)[1] ?? "").split("\n\n")[0]?.trim().split("\n") ?? [];
  assert.deepEqual(of("publisher"), [
    "topic write sensors/#",
    "topic read delivery/ack/+",
    "topic read delivery/acker/+",
  ]);
  assert.deepEqual(of("acker"), ["topic read sensors/#", "topic write delivery/ack/+", "topic write delivery/acker/+"]);
  assert.doesNotMatch(text, /readwrite|topic #|pattern/);
});

test("the password file has hashes", () => {
  const text = passwordFile([{ name: "publisher", password: "geheim" }]);
  assert.match(text, /^publisher:\$7\$101\$[A-Za-z0-9+/]{16}\$[A-Za-z0-9+/]{86}==\n$/);
  assert.doesNotMatch(text, /geheim/);
});

test("COMPOSE-1: on NATS each service may publish only what its code publishes, and an acker sends no commands", () => {
  const subjects = subjectsUnder("acktor.v1");
  const [publisher, acker] = natsUsers("acktor.v1", { publisher: "p", acker: "a" });
  const may = (allowed: readonly string[] | undefined, subject: string): boolean =>
    (allowed ?? []).some((pattern) => subjectMatches(pattern.split(" ")[0] ?? "", subject));
  for (const [user, service] of [
    [publisher, "publisher"],
    [acker, "acker"],
  ] as const) {
    const [own, all] = subjects.commandsFor(service, "i.1");
    for (const heard of [
      subjects.watch,
      subjects.snapshot(service),
      own.replace(">", "pause"),
      all.replace(">", "pause"),
    ])
      assert.ok(may(user?.subscribe, heard), `${service} hears ${heard}`);
    for (const said of [subjects.event(service, "i.1", "link"), subjects.announce(service, "i.1")])
      assert.ok(may(user?.publish, said), `${service} says ${said}`);
  }
  assert.ok(may(publisher?.publish, subjects.command("acker", null, "link.connect")));
  assert.ok(may(publisher?.subscribe, subjects.enqueue) && may(publisher?.subscribe, subjects.wake));
  assert.ok(may(acker?.publish, subjects.audit));
  for (const said of [
    subjects.enqueue,
    subjects.command("publisher", null, "pause"),
    subjects.announce("publisher", "x"),
  ])
    assert.ok(!may(acker?.publish, said), said);
  assert.ok(!may(acker?.subscribe, subjects.allEvents.replaceAll("*", "x")));
});

test("COMPOSE-1: inboxes differ by user and are in docker-compose.yml; no user may write into any", () => {
  const compose = readFileSync(path.join(import.meta.dirname, "../../../docker-compose.yml"), "utf8");
  for (const { user, publish, subscribe } of natsUsers("acktor.v1", { publisher: "p", acker: "a" })) {
    const inboxes = subscribe.filter((pattern) => pattern.startsWith("_INBOX"));
    assert.deepEqual(inboxes, [`${inboxOf(user)}.>`]);
    assert.match(compose, new RegExp(`MQTT_USERNAME: ${user}\\n +ACKTOR_NATS_INBOX: ${inboxOf(user)}\\n`));
    assert.ok(
      publish.every((pattern) => pattern.startsWith("acktor.v1.")),
      publish.join(),
    );
    assert.ok(![...publish, ...subscribe].some((pattern) => /^(>|\*|acktor\.v1\.>)$/.test(pattern)), "everything");
  }
});
