/** DATABASE_URL as providers, ORMs and psql write it: what each text means, or why it is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type DatabaseAddress, parseDatabaseUrl } from "@acktor/shared/runtime/database-url";

const PLAIN: DatabaseAddress = {
  hosts: [{ host: "db", port: 5432 }],
  random: false,
  target: "any",
  user: null,
  password: null,
  database: null,
  tls: null,
  connectTimeoutMs: null,
  applicationName: null,
  startupOptions: null,
  settings: {},
  behindPooler: false,
  connections: null,
};
const TLS = { mode: "require", direct: false, ca: null, cert: null, key: null, minVersion: null } as const;
const LOGIN = { user: "u", password: "p", database: "d" };

const UNDERSTOOD: Readonly<Record<string, Partial<DatabaseAddress>>> = {
  "postgres://db": {},
  "postgresql://u:p@db:6432/d": { ...LOGIN, hosts: [{ host: "db", port: 6432 }] },
  "postgresql+psycopg2://u:p@db/d": LOGIN,
  "jdbc:postgresql://db/d?password=p&user=u@x": { ...LOGIN, user: "u@x" },
  "jdbc:postgresql://db/d?user=u&password=p&currentSchema=app": { ...LOGIN, settings: { search_path: '"app"' } },
  "postgres://u:p%40%2F%25x@db/d": { ...LOGIN, password: "p@/%x" },
  "postgres://u:p#1@x@db/d": { ...LOGIN, password: "p#1@x" },
  "postgres://u:p@[::1]:5433/d": { ...LOGIN, hosts: [{ host: "::1", port: 5433 }] },
  "postgres://u:p@h1:1,h2:2/d": {
    ...LOGIN,
    target: "read-write",
    hosts: [
      { host: "h1", port: 1 },
      { host: "h2", port: 2 },
    ],
  },
  "postgres://h1,h2:2/?target_session_attrs=any": {
    hosts: [
      { host: "h1", port: 5432 },
      { host: "h2", port: 2 },
    ],
  },
  "postgres://h1,h2/?target_session_attrs=primary&load_balance_hosts=random": {
    target: "primary",
    random: true,
    hosts: [
      { host: "h1", port: 5432 },
      { host: "h2", port: 5432 },
    ],
  },
  "postgres:///d?host=/var/run/postgresql": { database: "d", hosts: [{ host: "/var/run/postgresql", port: 5432 }] },
  "postgres://u@%2Fvar%2Frun%2Fpostgresql:5433/d?sslmode=require": {
    ...{ user: "u", database: "d" },
    hosts: [{ host: "/var/run/postgresql", port: 5433 }],
  },
  "host=db port=5433 dbname=d user=u password='p \\' x'": {
    ...{ ...LOGIN, password: "p ' x" },
    hosts: [{ host: "db", port: 5433 }],
  },
  "host = h1,h2 port = 1,2 target_session_attrs=read-write": {
    target: "read-write",
    hosts: [
      { host: "h1", port: 1 },
      { host: "h2", port: 2 },
    ],
  },
  // Prisma, Supabase, Vercel
  "postgres://u:p@db:6543/d?pgbouncer=true&connection_limit=4&pool_timeout=10&schema=app,public&supa=base": {
    ...LOGIN,
    ...{ behindPooler: true, connections: 4, settings: { search_path: '"app", "public"' } },
    hosts: [{ host: "db", port: 6543 }],
  },
  // Rails, Ecto
  "postgres://u:p@db/d?pool=5&prepared_statements=false&encoding=unicode": {
    ...LOGIN,
    behindPooler: true,
    connections: 5,
  },
  // Neon
  "postgres://u:p@db/d?sslmode=require&channel_binding=prefer&options=endpoint%3Dep-1": {
    ...LOGIN,
    ...{ tls: TLS, startupOptions: "endpoint=ep-1" },
  },
  "postgres://u:p@db/d?sslmode=verify-full&sslrootcert=system&channel_binding=require": {
    ...LOGIN,
    tls: { ...TLS, mode: "verify-full", ca: "system" },
  },
  // RDS
  "postgres://u:p@db/d?sslmode=verify-full&sslrootcert=/rds.pem&connect_timeout=10&application_name=x": {
    ...LOGIN,
    ...{ tls: { ...TLS, mode: "verify-full", ca: "/rds.pem" }, connectTimeoutMs: 10_000, applicationName: "x" },
  },
  "postgres://db?sslrootcert=/ca.pem": { tls: { ...TLS, mode: "verify-ca", ca: "/ca.pem" } },
  "postgres://db?sslmode=require&sslrootcert=/ca.pem": { tls: { ...TLS, mode: "verify-ca", ca: "/ca.pem" } },
  "postgres://db?ssl=true": { tls: TLS },
  "postgres://db?ssl=true&sslmode=require&SSLMODE=require": { tls: TLS },
  "postgres://db?ssl=false&sslmode=disable": {},
  "postgres://db?sslmode=verify-ca": { tls: { ...TLS, mode: "verify-full" } },
  "postgres://db?ssl=no-verify&uselibpqcompat=true": { tls: TLS },
  "postgres://db?sslaccept=strict": { tls: { ...TLS, mode: "verify-full", ca: "system" } },
  "postgres://db?sslmode=prefer&keepalives=1": { tls: { ...TLS, mode: "prefer" } },
  "postgres://db?sslmode=require&sslnegotiation=direct&ssl_min_protocol_version=TLSv1.3": {
    tls: { ...TLS, direct: true, minVersion: "TLSv1.3" },
  },
  "postgres://db?sslmode=disable&gssencmode=disable": {},
  "postgres://db?options=-c%20statement_timeout%3D5s%20--lock-timeout=1s%20-csearch_path=a": {
    settings: { statement_timeout: "5s", lock_timeout: "1s", search_path: "a" },
  },
};

for (const [text, means] of Object.entries(UNDERSTOOD)) {
  test(`understood: ${text}`, () => {
    assert.deepEqual(parseDatabaseUrl(text), { ok: true, address: { ...PLAIN, ...means } });
  });
}

// DATABASE_URL-1, DATABASE_URL-2, DATABASE_URL-3
const REFUSED: Readonly<Record<string, RegExp>> = {
  "mysql://u:secret@db/d": /must begin with postgres:\/\//,
  "db.example.com": /is not a URL, nor keyword=value/,
  "Server=db;Password=secret": /parameter server/,
  "postgres://": /names no host/,
  "postgres:///d": /names no host/,
  "postgres://u:secret%zz@db/d": /% in its password .* %25/,
  "postgres://u%:secret@db/d": /% in its user/,
  "postgres://u:sec/ret@db/d": /%2F/,
  "postgres://u:sec?ret@db/d": /%3F/,
  "postgres://u:se@cret%40@db:x/d": /port that is not a whole number/,
  "postgres://db:70000/d": /port that is not/,
  "postgres://h1,,h2/d": /empty host/,
  "postgres://u:12?secret=x&y@h/db": /write .* \? as %3F/,
  "postgres://u:p?secret=x&y@h/db": /write .* \? as %3F/,
  "postgres://db/d?sslaccept=strict&sslmode=disable": /sslaccept=strict, but TLS is off/,
  "postgres://db/d?sslaccept=strict&ssl=false": /sslaccept=strict, but TLS is off/,
  "postgres://db/d?ssl=true&sslmode=disable": /ssl=true and sslmode=disable/,
  "postgres://db/d?ssl=false&sslmode=require": /ssl=false and sslmode=require/,
  "postgres://db/d?sslmode=require&SSLMODE=disable": /two different values of sslmode/,
  "host=db sslmode=verify-full SSLMode=disable": /two different values of sslmode/,
  "postgres://h1,h2,h3/d?port=1,2": /3 hosts and 2 ports/,
  "postgres://db/d?channel_binding=require&sslmode=require":
    /channel_binding=require.*sslmode=verify-full&sslrootcert=system/,
  "postgres://db/d?sslmode=maybe": /sslmode that is not one of disable, allow/,
  "postgres://db/d?sslrootcert=system&sslmode=require": /verify-full/,
  "postgres://db/d?sslnegotiation=direct": /sslmode=require/,
  "postgres://db/d?sslcert=/a&sslmode=require": /sslkey/,
  "postgres://db/d?gssencmode=require": /gssencmode/,
  "postgres://db/d?target_session_attrs=standby": /target_session_attrs.*read-write, primary or any/,
  "postgres://db/d?connect_timeout=soon": /connect_timeout/,
  "postgres://db/d?connection_limit=0": /connection_limit/,
  "postgres://db/d?client_encoding=latin1": /client_encoding/,
  "postgres://db/d?require_auth=scram-sha-256": /require_auth/,
  "postgres://db/d?sslpassword=secret": /sslpassword/,
  "postgres://db/d?statement_timeout=secret": /parameter statement_timeout, .*options=-c/,
  "service=production": /service file.*host, port/,
  "host=db password='secret": /keyword=value text/,
  "host=db dbname": /keyword=value text/,
};

for (const [text, why] of Object.entries(REFUSED)) {
  test(`refused by name: ${text}`, () => {
    const read = parseDatabaseUrl(text);
    assert.ok(!read.ok);
    assert.match(read.fault, why);
    assert.doesNotMatch(read.fault, /secret/);
  });
}
