#!/usr/bin/env node
/** `npx acktor`: the command line, built first where it is out of date. */
process.argv.splice(2, 0, "cli");
await import("../embedded/launch.mjs");
