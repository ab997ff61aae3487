/** Replay or cancel of all matching messages: the dialog first shows their number. */
import { useEffect, useState } from "preact/hooks";
import type { Answer } from "../../api/answer.ts";
import { post } from "../../api/client.ts";
import type { Swept } from "../../api/types.ts";
import { count } from "../../i18n/format.ts";
import { t } from "../../i18n/text.ts";
import { Confirm } from "../../parts/confirm.tsx";
import { Fault } from "../../parts/fault.tsx";

/** The most messages of one call. */
const MOST = 10_000;

interface SweepProps {
  readonly kind: "replay" | "cancel";
  readonly topic: string | null;
  readonly reason: string | null;
  readonly onDone: () => void;
  readonly onClose: () => void;
}

export function Sweep({ kind, topic, reason, onDone, onClose }: SweepProps) {
  const [found, setFound] = useState<Answer<Swept> | null>(null);
  const filter = { ...(topic === null ? {} : { topic }), ...(reason === null ? {} : { reason }), limit: MOST };
  const path = kind === "replay" ? "/v1/dead-letters/replay" : "/v1/messages/cancel";
  useEffect(() => {
    void post<Swept>(path, { ...filter, dry_run: true }).then(setFound);
  }, []);
  const matched = found?.ok === true ? found.value.matched : 0;
  const refusals = found?.ok === true ? (found.value.refusals ?? []) : [];
  return (
    <Confirm
      title={t(`sweep.${kind}`)}
      verb={t(`sweep.${kind}.verb`, { count: count(matched) })}
      isDanger={kind === "cancel"}
      isReady={matched > 0}
      act={() => post<Swept>(path, { ...filter, dry_run: false })}
      onDone={onDone}
      onClose={onClose}
    >
      <p data-dry-run={found?.ok === true ? matched : ""}>
        {found === null
          ? t("sweep.counting")
          : t(`sweep.${kind}.count`, {
              count: count(matched),
              what: [topic, reason].filter(Boolean).join(" · ") || t("sweep.everything"),
            })}
      </p>
      {refusals.map(({ why, count: n }) => (
        <p key={why} class="dim">
          {t("sweep.refused", { count: count(n), why })}
        </p>
      ))}
      {matched === MOST && <p class="dim">{t("sweep.most", { count: count(MOST) })}</p>}
      {found?.ok === false && <Fault refusal={found} />}
    </Confirm>
  );
}
