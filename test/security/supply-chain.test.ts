/** What is installed: exact versions, each with its checksum, only from a registry, without install scripts. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { ROOT } from "../support/processes.ts";

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
}

const read = <T>(file: string): T => JSON.parse(readFileSync(path.join(ROOT, file), "utf8")) as T;
const lock = read<{ packages: Record<string, Locked> }>("package-lock.json").packages;
const installed = Object.entries(lock).filter(([place, { link }]) => place.includes("node_modules/") && link !== true);

test("every manifest names exact versions", () => {
  const manifests = ["package.json", "shared/package.json"];
  for (const folder of ["services", "tools"]) {
    for (const name of readdirSync(path.join(ROOT, folder))) manifests.push(`${folder}/${name}/package.json`);
  }
  const loose = manifests.flatMap((file) => {
    const { dependencies = {}, devDependencies = {} } = read<Manifest>(file);
    return Object.entries({ ...dependencies, ...devDependencies })
      .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
      .map(([name, version]) => `${file}: ${name} ${version}`);
  });
  assert.deepEqual(loose, []);
});

test("every package of the lockfile has its checksum, and all come from a registry", () => {
  assert.ok(installed.length > 100);
  const unsafe = installed.filter(([, { integrity, resolved }]) => {
    const foreign = resolved !== undefined && !/^https:\/\/registry\.npmjs\.org\//.test(resolved);
    return foreign || !/^sha512-/.test(integrity ?? "");
  });
  assert.deepEqual(
    unsafe.map(([place]) => place),
    [],
  );
});

test("npm sbom lists what the services run on", async () => {
  const args = ["sbom", "--sbom-format", "cyclonedx", "--package-lock-only"];
  const { stdout } = await promisify(execFile)("npm", args, { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 });
  const sbom = JSON.parse(stdout) as { bomFormat: string; components: { name: string; version: string }[] };
  assert.equal(sbom.bomFormat, "CycloneDX");
  const names = new Map(sbom.components.map(({ name, version }) => [name, version]));
  for (const name of ["fastify", "mqtt", "postgres", "nats", "xstate", "pino"]) {
    assert.match(names.get(name) ?? "", /^\d+\./, name);
  }
});
