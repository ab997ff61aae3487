#!/usr/bin/env node
/** `npx acktor`: the command line, built first where it is out of date. Only `start` needs the console's page as well. */
process.argv.splice(2, 0, process.argv.includes("start") ? "cli-start" : "cli");
await import("../embedded/launch.mjs");
