/** `NODE_OPTIONS=--import crash-hook.js`: puts a crash point into a service that is about to start. */
import { register } from "node:module";
import { CRASH_POINTS } from "./crash-points.ts";

/** The environment variable with the name of the point. */
export const CRASH_AT = "LAB_CRASH_AT";

const point = CRASH_POINTS.find(({ service, name }) => `${service}: ${name}` === process.env[CRASH_AT]);
if (point !== undefined) register(new URL("./crash-loader.js", import.meta.url), { data: point });
