#!/usr/bin/env node
/** `npx acktor`: the command line, built first if it is out of date. Only `start` also needs the console's page. */
process.argv.splice(2, 0, process.argv.includes("start") ? "cli-start" : "cli");
await import("../embedded/launch.mjs");
