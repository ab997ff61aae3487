/** Every text of the console, English and Japanese side by side. */
import { FRAME_TEXTS } from "./frame-texts.ts";
import { LOG_TEXTS } from "./log-texts.ts";
import { MACHINE_TEXTS } from "./machine-texts.ts";
import { MESSAGE_TEXTS } from "./message-texts.ts";
import { OVERVIEW_TEXTS } from "./overview-texts.ts";

export const TEXTS = { ...FRAME_TEXTS, ...OVERVIEW_TEXTS, ...MACHINE_TEXTS, ...LOG_TEXTS, ...MESSAGE_TEXTS };
