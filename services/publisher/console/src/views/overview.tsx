/** The first page: warnings, figures, rates, dependencies, statecharts, destinations. */
import { useEffect } from "preact/hooks";
import { t } from "../i18n/text.ts";
import { Fault } from "../parts/fault.tsx";
import { followOverview, overview, overviewFault } from "../state/overview.ts";
import { Dependencies } from "./overview/dependencies.tsx";
import { Destinations } from "./overview/destinations.tsx";
import { Figures } from "./overview/figures.tsx";
import { OutageAccount } from "./overview/outage-account.tsx";
import { Rates } from "./overview/rates.tsx";
import { SendMany } from "./overview/send-many.tsx";
import { ServiceCharts } from "./overview/service-charts.tsx";
import { Warnings } from "./overview/warnings.tsx";

export function OverviewView() {
  useEffect(followOverview, []);
  const known = overview.value;
  const fault = overviewFault.value;
  return (
    <div class="overview">
      <div class="view-head">
        <h1>{t("nav.overview")}</h1>
        {known !== null && (
          <span class="dim">
            {known.instance} · {known.version}
          </span>
        )}
        <span class="spacer" />
        <SendMany />
      </div>
      {fault !== null && fault.status !== 401 && <Fault refusal={fault} />}
      <Warnings warnings={known?.warnings ?? null} />
      <OutageAccount outage={known?.outage ?? null} />
      <Figures overview={known} />
      <div class="overview-grid">
        <Rates overview={known} />
        <Dependencies overview={known} />
      </div>
      <ServiceCharts />
      <Destinations destinations={known?.destinations ?? null} />
    </div>
  );
}
