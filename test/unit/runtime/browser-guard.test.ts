/** Host, Origin and Sec-Fetch-Site as values: which requests a page of another site may have caused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AllowedHosts, crossSiteFault, hostNameFault, isJsonType } from "@acktor/shared/runtime/browser-guard";

test("HOST-1: only loopback names, addresses and configured names are allowed, regardless of earlier requests", () => {
  const hosts = new AllowedHosts(["Acktor.example.com", "0.0.0.0"]);
  const allowed = [
    "localhost",
    "127.0.0.1:8080",
    "[::1]:8080",
    "acktor.example.com:443",
    "acktor.example.com.",
    "10.0.0.1",
  ];
  const refused = [
    "",
    " ",
    ":80",
    "evil.example",
    "xacktor.example.com",
    "acktor.example.com.evil.example",
    "::1",
    "[::1]x",
    "[localhost]",
    "localhost:x",
    "localhost:123456",
    "a/b",
    "localhost/",
    "local\u0000host",
  ];
  for (const host of [...refused, ...allowed, ...refused]) assert.equal(hosts.has(host), allowed.includes(host), host);
  assert.equal(hosts.has(undefined), true, "HTTP/1.0 without a Host, which no browser sends");
});

test("SITE-1: an origin is scheme, host and port, with the ports that the schemes leave out", () => {
  const own: [string, string, Record<string, string>?][] = [
    ["http://a", "a"],
    ["http://a", "a:80"],
    ["http://a:80", "a"],
    ["http://A:8080", "a:8080"],
    ["http://[::1]:8080", "[::1]:8080"],
    ["https://a", "a", { "x-forwarded-proto": "https" }],
    ["https://a", "a:443", { "sec-fetch-site": "same-origin" }],
  ];
  for (const [origin, host, more = {}] of own)
    assert.equal(crossSiteFault({ host, origin, ...more }, true), null, origin);
  const foreign: [string, string, Record<string, string>?][] = [
    ["https://a", "a"],
    ["https://a:8080", "a:8080"],
    ["http://a", "a:8080"],
    ["http://a:8080", "a"],
    ["http://b", "a"],
    ["http://b", "a", { "sec-fetch-site": "same-origin" }],
    ["null", "a"],
    ["", "a"],
    ["ftp://a", "a", { "x-forwarded-proto": "https" }],
    ["chrome-extension://a", "a"],
    ["http://a", ""],
  ];
  for (const [origin, host, more = {}] of foreign)
    assert.notEqual(crossSiteFault({ host, origin, ...more }, false), null, origin);
  for (const site of ["cross-site", "same-site"])
    assert.notEqual(crossSiteFault({ "sec-fetch-site": site }, true), null);
  for (const site of ["same-origin", "none"]) assert.equal(crossSiteFault({ "sec-fetch-site": site }, true), null);
  assert.equal(crossSiteFault({}, true), null, "a program that is no browser");
});

test("MEDIA-1: nothing that a page can send without a preflight passes for JSON", () => {
  for (const type of [
    "application/json",
    "Application/JSON",
    "application/json; charset=utf-8",
    "application/json ;x",
  ]) {
    assert.equal(isJsonType(type), true, type);
  }
  for (const type of [
    undefined,
    "",
    "text/plain",
    "text/plain;application/json",
    "application/jsonp",
    "application/json+x",
    " application/json",
    "application/x-www-form-urlencoded",
  ]) {
    assert.equal(isJsonType(type), false, type);
  }
});

test("a value that ACKTOR_ALLOWED_HOSTS cannot hold is named", () => {
  for (const name of ["publisher", "acktor.example.com", "a_b", "xn--bcher-kva.example"])
    assert.equal(hostNameFault(name), null);
  for (const name of ["", "*", "*.example.com", "http://a", "a/b", "a b", "-"])
    assert.equal(hostNameFault(name), "is not a host name", name);
  assert.equal(hostNameFault("publisher:8080"), "names a port; name the host alone");
});
