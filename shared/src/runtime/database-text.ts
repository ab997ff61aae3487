/** The text of DATABASE_URL as parameters by libpq's names, and which of them acktor refuses. */

/** By libpq's names; `schema`, `pgbouncer` and `connection_limit` are Prisma's. */
export type Parameters = ReadonlyMap<string, string>;

/** Other clients' names for the same thing. */
const ALIASES: Readonly<Record<string, string>> = {
  username: "user",
  database: "dbname",
  encoding: "client_encoding",
  applicationname: "application_name",
  currentschema: "schema",
  search_path: "schema",
  pool: "connection_limit",
  pool_size: "connection_limit",
  pool_max_conns: "connection_limit",
};

/** What each may be; the words of other clients come after the arrow. */
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  sslmode: ["disable", "allow", "prefer", "require", "verify-ca", "verify-full", "no-verify→require"],
  ssl: ["true", "1→true", "require→true", "on→true", "false", "0→false", "off→false", "no-verify→true", "verify-full"],
  sslaccept: ["strict", "accept_invalid_certs"],
  sslnegotiation: ["postgres", "direct"],
  channel_binding: ["disable", "prefer", "require"],
  gssencmode: ["disable", "prefer"],
  target_session_attrs: ["any", "primary", "read-write"],
  load_balance_hosts: ["disable", "random"],
  pgbouncer: ["true", "1→true", "false", "0→false"],
  prepared_statements: ["true", "false"],
  prepare: ["named", "unnamed"],
  client_encoding: ["utf8", "utf-8→utf8", "unicode→utf8", "auto→utf8"],
  ssl_min_protocol_version: ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"],
};

const TEXTS = [
  ...["host", "hostaddr", "port", "user", "password", "dbname", "options", "application_name", "connect_timeout"],
  ...["sslrootcert", "sslcert", "sslkey", "schema", "connection_limit"],
];

/** About another client's pool or cache, or about keepalives, for which acktor has deadlines of its own. */
const WITHOUT_EFFECT = [
  ...["pool_timeout", "statement_cache_size", "statement_cache_capacity", "socket_timeout", "checkout_timeout"],
  ...["max_idle_connection_lifetime", "max_connection_lifetime", "pool_recycle", "conn_max_age", "pool_mode"],
  ...["keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"],
  ...["sslcompression", "sslsni", "uselibpqcompat", "gsslib", "gssdelegation", "krbsrvname"],
  ...["fallback_application_name", "supa", "workaround", "preparethreshold", "binarytransfer"],
];

const REFUSED: Readonly<Record<string, string>> = {
  service: "acktor reads no service file: write host, port, dbname and user of the service",
  servicefile: "acktor reads no service file: write host, port, dbname and user of the service",
  passfile:
    "acktor reads no password file: put the URL with its password into a file, and its path into DATABASE_URL_FILE",
  sslcrl: "acktor checks no revocation list: remove it",
  sslcrldir: "acktor checks no revocation list: remove it",
  sslpassword: "acktor reads no encrypted key: decrypt the file of sslkey, and remove it",
  require_auth: "acktor cannot choose the method of authentication: set it in pg_hba.conf, and remove it",
  requirepeer: "acktor does not check the socket's owner: remove it",
  replication: "acktor opens ordinary connections: remove it",
};

/** What protects the connection has one value. */
const UNIQUE = /^(ssl.*|channel_binding|require_auth)$/;

const FAULT_OF_LOGIN = "has a / or ? in its user or password: write / as %2F and ? as %3F";
const FAULT_OF_TARGET = "acktor writes, so it needs read-write, primary or any";

/** @returns the parameters in libpq's words, none of which is empty; or what is wrong with the text */
export function readText(text: string): Parameters | string {
  const given = splitText(text);
  const fault = typeof given === "string" ? given : refusal(given);
  if (typeof given !== "string" && fault === null) return given;
  // DATABASE_URL-2: the name of a parameter may be a piece of the password.
  return fault === null || /^[^/]*:\/\/[^/?@]*[/?].*@/s.test(text) ? FAULT_OF_LOGIN : fault;
}

function splitText(text: string): Map<string, string> | string {
  const url = /^(?:jdbc:)?postgres(?:ql)?(?:\+[a-z0-9]+)?:\/\/(.*)$/is.exec(text);
  if (url !== null) return splitUrl(url[1] ?? "");
  if (/^[a-z_]+\s*=/i.test(text)) return splitWords(text);
  return /^[a-z][a-z0-9+.:-]*:\/\//i.test(text)
    ? "must begin with postgres:// or postgresql://"
    : "is not a URL, nor keyword=value text as host=127.0.0.1 dbname=app";
}

/** As libpq: the authority ends at the first `/` or `?`, so a `#` in a password needs no code. */
function splitUrl(rest: string): Map<string, string> | string {
  const [, authority = "", path = "", query = ""] = /^([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(rest) ?? [];
  const at = authority.lastIndexOf("@");
  if (at < 0 && `${path}?${query.split("&")[0]}`.includes("@")) return FAULT_OF_LOGIN;
  const hosts = splitHosts(authority.slice(at + 1));
  const login = at < 0 ? "" : authority.slice(0, at);
  const colon = login.indexOf(":");
  const given = new Map<string, string>();
  const put = (name: string, part: string, text: string): string | null => {
    const value = decode(text);
    if (value === null) return `has a % in its ${part} that begins no code such as %2F: write % itself as %25`;
    if (value.includes("\0")) return `has a NUL (%00) in its ${part}`;
    if (given.has(name) && UNIQUE.test(name) && given.get(name) !== value) return `has two different values of ${name}`;
    if (value !== "") given.set(name, value);
    return null;
  };
  const faults = [
    put("user", "user", colon < 0 ? login : login.slice(0, colon)),
    put("password", "password", colon < 0 ? "" : login.slice(colon + 1)),
    put("host", "host", hosts.names),
    put("port", "port", hosts.ports),
    put("dbname", "database name", path.replace(/\/$/, "")),
    ...query
      .split("&")
      .filter((pair) => pair !== "")
      .map((pair) => {
        const equals = pair.indexOf("=");
        const name = nameOf(equals < 0 ? pair : pair.slice(0, equals));
        return put(name, `parameter ${name}`, equals < 0 ? "" : pair.slice(equals + 1));
      }),
  ];
  return faults.find((fault) => fault !== null) ?? given;
}

/** `a:1,b,[::1]:2` → `a,b,[::1]` and `1,,2`. */
function splitHosts(text: string): { names: string; ports: string } {
  const hosts = text.split(",").map((one) => /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/s.exec(one) ?? [one, one]);
  const ports = hosts.map(([, , port = ""]) => port);
  return {
    names: hosts.map(([, name = ""]) => name).join(","),
    ports: ports.every((port) => port === "") ? "" : ports.join(","),
  };
}

/** `host=a password='x \' y'`; values may be quoted, and a backslash keeps the next character. */
function splitWords(text: string): Map<string, string> | string {
  const given = new Map<string, string>();
  const word = /\s*([A-Za-z_]+)\s*=\s*(?:'((?:\\.|[^'\\])*)'|((?:\\.|[^\s'\\])*))(?=\s|$)/suy;
  while (word.lastIndex < text.length) {
    const found = word.exec(text);
    if (found === null) return "is not complete as keyword=value text: quote values with spaces as password='a b'";
    const [, name = "", quoted, plain = ""] = found;
    const value = (quoted ?? plain).replace(/\\(.)/gsu, "$1");
    if (UNIQUE.test(nameOf(name)) && (given.get(nameOf(name)) ?? value) !== value) {
      return `has two different values of ${nameOf(name)}`;
    }
    if (value !== "") given.set(nameOf(name), value);
  }
  return given;
}

function nameOf(text: string): string {
  const name = text.toLowerCase();
  return ALIASES[name] ?? name;
}

/** DATABASE_URL-2: null where a % begins no code. */
function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** The fault of the first parameter that is unknown, refused or no word that it may be. Words are put into libpq's form. */
function refusal(given: Map<string, string>): string | null {
  for (const [name, value] of given) {
    const fault = faultOf(name, value);
    if (fault !== null) return fault;
    const word = CHOICES[name]?.find((choice) => choice.split("→")[0] === spelling(value));
    if (word !== undefined) given.set(name, word.split("→").at(-1) ?? word);
  }
  const contradiction = contradictionOf(given);
  if (contradiction === null) translate(given);
  return contradiction;
}

/** DATABASE_URL-3: two words for TLS, one of which says that the connection need not be protected. */
function contradictionOf(given: Parameters): string | null {
  const [mode, ssl] = [given.get("sslmode"), given.get("ssl")];
  const isPlain = mode === "disable" || mode === "allow";
  if (given.get("sslaccept") === "strict" && (isPlain || (mode === undefined && ssl === "false"))) {
    return "has sslaccept=strict, but TLS is off: remove one of them";
  }
  if (mode === undefined || ssl === undefined) return null;
  const fits = ssl === "verify-full" ? mode === ssl : (ssl === "false") === (isPlain || mode === "prefer");
  return fits ? null : `has ssl=${ssl} and sslmode=${mode}, which contradict each other: remove one of them`;
}

const spelling = (value: string): string => (value.startsWith("TLS") ? value : value.toLowerCase());

function faultOf(name: string, value: string): string | null {
  const choices = CHOICES[name];
  if (choices !== undefined) {
    const words = choices.map((choice) => choice.split("→")[0]);
    if (words.includes(spelling(value))) return null;
    if (name === "target_session_attrs") return `has a target_session_attrs that acktor cannot use: ${FAULT_OF_TARGET}`;
    return `has a ${name} that is not one of ${words.join(", ")}`;
  }
  if (TEXTS.includes(name) || WITHOUT_EFFECT.includes(name)) return null;
  const remedy = REFUSED[name];
  if (remedy !== undefined) return `has the parameter ${name}: ${remedy}`;
  const shown = /^[a-z][\w.-]{0,40}$/.test(name) ? name : "with an odd name";
  return `has the parameter ${shown}, which acktor does not know: remove it, or write a setting of PostgreSQL as options=-c%20name%3Dvalue`;
}

/** Other clients' words for TLS and for a pooler. */
function translate(given: Map<string, string>): void {
  const ssl = given.get("ssl");
  if (ssl !== undefined && !given.has("sslmode")) {
    given.set("sslmode", ssl === "true" ? "require" : ssl === "false" ? "disable" : ssl);
  }
  if (given.get("sslaccept") === "strict" && ["require", "prefer", undefined].includes(given.get("sslmode"))) {
    given.set("sslmode", "verify-full");
    if (!given.has("sslrootcert")) given.set("sslrootcert", "system");
  }
  if (given.get("prepared_statements") === "false" || given.get("prepare") === "unnamed")
    given.set("pgbouncer", "true");
}
