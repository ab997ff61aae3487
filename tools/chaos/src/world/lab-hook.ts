/**
 * `NODE_OPTIONS=--import lab-hook.js`: gives a service of the lab a clock that can be set, and notes its vital signs. The
 * services do not know about the hook.
 */
import { bendClock } from "./bent-clock.ts";
import { CLOCK_FILE, VITALS_FILE } from "./hook-files.ts";
import { noteVitals } from "./vitals-hook.ts";

const { [CLOCK_FILE]: clock, [VITALS_FILE]: vitals } = process.env;
if (clock !== undefined) process.once("exit", bendClock(clock));
if (vitals !== undefined) process.once("exit", noteVitals(vitals));
