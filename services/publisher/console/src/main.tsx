/** Starts the console in the browser. */
import { render } from "preact";
import "./styles/base.css";
import "./chart/chart.css";
import "./styles/frame.css";
import "./styles/parts.css";
import "./styles/views.css";
import { App } from "./app.tsx";
import { startClock } from "./state/clock.ts";
import { followEvents } from "./state/live.ts";
import { followMe } from "./state/me.ts";
import { applyPreferences } from "./state/preferences.ts";
import { startRouter } from "./state/router.ts";
import { restoreSession } from "./state/session.ts";

restoreSession();
startRouter();
applyPreferences();
startClock();
followMe();
followEvents();
const place = document.querySelector("#app");
if (place !== null) render(<App />, place);
