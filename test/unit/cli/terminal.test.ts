/** Escape sequences go to terminals alone, and a progress bar to standard error alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Progress } from "@acktor/cli/terminal/progress";
import { StreamTerminal } from "@acktor/cli/terminal/terminal";

function rig(options: { out?: boolean; err?: boolean; env?: Record<string, string>; colour?: boolean }) {
  const written = { out: "", err: "" };
  const writeTo = (stream: "out" | "err") => (text: string) => {
    written[stream] += text;
  };
  const streams = {
    stdin: {},
    stdout: { isTTY: options.out === true, columns: 100, write: writeTo("out") },
    stderr: { isTTY: options.err === true, write: writeTo("err") },
  };
  const terminal = new StreamTerminal(streams, { TERM: "xterm", ...options.env }, options.colour ?? true);
  return { terminal, written };
}

test("TERMINAL-1: colours and clearing only on a terminal, and not with NO_COLOR, --no-color or TERM=dumb", () => {
  const painted = (options: Parameters<typeof rig>[0]): string => {
    const { terminal, written } = rig(options);
    terminal.out(terminal.paint("good", "OK"));
    return written.out.trimEnd();
  };
  assert.equal(painted({ out: true }), "\u001b[32mOK\u001b[39m");
  assert.equal(painted({ out: false, err: true }), "OK");
  assert.equal(painted({ out: true, env: { NO_COLOR: "1" } }), "OK");
  assert.equal(painted({ out: true, env: { NO_COLOR: "" } }), "\u001b[32mOK\u001b[39m");
  assert.equal(painted({ out: true, env: { TERM: "dumb" } }), "OK");
  assert.equal(painted({ out: true, colour: false }), "OK");
  for (const out of [true, false]) {
    const { terminal, written } = rig({ out });
    terminal.clear();
    assert.equal(written.out, out ? "\u001b[2J\u001b[H" : "");
    assert.equal(terminal.columns, out ? 100 : null);
  }
});

test("a terminal that does not know its width cuts nothing", () => {
  const stdout = { isTTY: true, columns: 0, write: () => undefined };
  assert.equal(new StreamTerminal({ stdin: {}, stdout, stderr: stdout }, {}, true).columns, null);
});

test("results go to standard output, the rest to standard error", () => {
  const { terminal, written } = rig({});
  terminal.out("result");
  terminal.note("warning");
  terminal.redraw("bar");
  assert.deepEqual(written, { out: "result\n", err: "warning\n" });
});

test("the bar is drawn ten times a second at most, and its end always", () => {
  const { terminal, written } = rig({ err: true });
  let now = 0;
  const progress = new Progress(terminal, 1_000, { now: () => now });
  for (let done = 0; done < 1_000; done++) {
    now += 1;
    progress.show("sending", done);
  }
  progress.show("sending", 1_000);
  progress.end();
  const drawn = written.err.split("\r").filter((text) => text.includes("/1000"));
  assert.ok(drawn.length >= 9 && drawn.length <= 12, `${drawn.length}`);
  assert.match(drawn.at(-1) ?? "", /100 % 1000\/1000/);
  assert.ok(written.err.endsWith("\r\u001b[2K"), "the bar is taken away");
});
