/**
 * The files of each container of docker-compose.yml: its own passwords, certificates and configuration, and no others.
 * docs/adr/0011 gives the reasons.
 */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { CertificateAuthority, type Issued } from "./certificates.ts";
import { accessList, passwordFile } from "./mosquitto-files.ts";
import { authorization, natsUsers } from "./nats-files.ts";
import { SecretStore } from "./secret-store.ts";
import { type Files, readFolder, writeFolder } from "./write-folder.ts";

/** The package's root is the parent of both src and dist. */
const SERVERS = fileURLToPath(new URL("../servers", import.meta.url));

const LOCAL = ["DNS:localhost", "IP:127.0.0.1"];

/** `chaos` forwards to the broker, so its name is in the certificate. */
const BROKER = ["DNS:mosquitto", "DNS:chaos", ...LOCAL];

export interface PrepareOptions {
  /** Folder that is kept between starts. */
  readonly keys: string;
  /** Folder with one folder for each container. */
  readonly target: string;
  /** Filters of the data topics. */
  readonly topics: readonly string[];
  readonly ackPrefix: string;
  readonly presencePrefix: string;
  readonly natsPrefix: string;
  /** Whether mosquitto requires a client certificate in addition to the password. */
  readonly requireCertificate: boolean;
}

export interface Prepared {
  /** Secrets made in this run; none at a second start. */
  readonly made: readonly string[];
  /** Files written, as `container/file`. */
  readonly written: readonly string[];
  readonly certificates: readonly string[];
}

/** Makes what is missing and writes each container's folder. A second run changes nothing. */
export function prepareSecrets(options: PrepareOptions): Prepared {
  const store = new SecretStore(path.join(options.keys, "secrets"));
  const authority = new CertificateAuthority(path.join(options.keys, "certificates"));
  const certificates: string[] = [];
  const issue = (name: string, hosts: readonly string[]): Issued => {
    const issued = authority.issue({ name, hosts });
    if (issued.fresh) certificates.push(name);
    return issued;
  };
  const ca = authority.certificate;
  const folders: Readonly<Record<string, Files>> = {
    postgres: postgresFiles(store, issue("postgres", ["DNS:postgres", ...LOCAL])),
    mosquitto: mosquittoFiles(options, store, issue("mosquitto", BROKER), issue("health", []), ca),
    nats: natsFiles(options, store, issue("nats", ["DNS:nats", ...LOCAL])),
    migrate: { "ca.crt": ca, "database-url": databaseUrl(store, "owner") },
    publisher: serviceFiles(store, "publisher", issue("publisher", []), ca),
    acker: serviceFiles(store, "acker", issue("acker", []), ca),
    front: { "api-token": store.secret("api-token") },
    chaos: { "api-token": store.secret("api-token") },
    prometheus: readFolder(path.join(SERVERS, "prometheus")),
    grafana: { ...readFolder(path.join(SERVERS, "grafana")), "admin-password": store.secret("grafana-admin") },
  };
  const written = Object.entries(folders).flatMap(([name, files]) =>
    writeFolder(path.join(options.target, name), files).map((file) => `${name}/${file}`),
  );
  return { made: store.made, written, certificates };
}

function postgresFiles(store: SecretStore, { certificate, key }: Issued): Files {
  const passwords = ["superuser", "owner", "publisher", "acker"].map((role) => [
    `${role}-password`,
    store.secret(`postgres-${role}`),
  ]);
  const files = readFolder(path.join(SERVERS, "postgres"));
  return { ...files, ...Object.fromEntries(passwords), "server.crt": certificate, "server.key": key };
}

function mosquittoFiles(options: PrepareOptions, store: SecretStore, own: Issued, health: Issued, ca: string): Files {
  const users = ["publisher", "acker", "health"].map((name) => ({ name, password: store.secret(`mqtt-${name}`) }));
  const { topics, ackPrefix, presencePrefix, requireCertificate } = options;
  const probe = [
    ["-h", "127.0.0.1"],
    ["-p", "8883"],
    ["--cafile", "/run/acktor/ca.crt"],
    ["--cert", "/run/acktor/health.crt"],
    ["--key", "/run/acktor/health.key"],
    ["-u", "health"],
    ["-P", store.secret("mqtt-health")],
  ];
  return {
    ...readFolder(path.join(SERVERS, "mosquitto")),
    passwords: passwordFile(users),
    "access-list": accessList({ topics, ackPrefix, presencePrefix }),
    "require-certificate": String(requireCertificate),
    // Options of mosquitto_sub, so that no command line contains the health check's password.
    mosquitto_sub: `${probe.map((words) => words.join(" ")).join("\n")}\n`,
    "ca.crt": ca,
    "server.crt": own.certificate,
    "server.key": own.key,
    "health.crt": health.certificate,
    "health.key": health.key,
  };
}

function natsFiles({ natsPrefix }: PrepareOptions, store: SecretStore, { certificate, key }: Issued): Files {
  const passwords = { publisher: store.secret("nats-publisher"), acker: store.secret("nats-acker") };
  return {
    ...readFolder(path.join(SERVERS, "nats")),
    "authorization.conf": authorization(natsUsers(natsPrefix, passwords)),
    "server.crt": certificate,
    "server.key": key,
  };
}

function serviceFiles(store: SecretStore, service: "publisher" | "acker", client: Issued, ca: string): Files {
  return {
    "ca.crt": ca,
    "client.crt": client.certificate,
    "client.key": client.key,
    "database-url": databaseUrl(store, service),
    "mqtt-password": store.secret(`mqtt-${service}`),
    "nats-url": `tls://${service}:${store.secret(`nats-${service}`)}@nats:4222`,
    "nats-secret": store.secret("nats-secret"),
    "api-token": store.secret("api-token"),
    "ack-secret": store.secret("ack-secret"),
  };
}

function databaseUrl(store: SecretStore, role: "owner" | "publisher" | "acker"): string {
  return `postgres://acktor_${role}:${store.secret(`postgres-${role}`)}@postgres:5432/acktor`;
}
