/** The actions that the message's state allows; each asks for confirmation. */
import { useState } from "preact/hooks";
import { post } from "../../api/client.ts";
import type { MessageTimeline } from "../../api/types.ts";
import { t } from "../../i18n/text.ts";
import { Confirm } from "../../parts/confirm.tsx";
import { ScopedButton } from "../../parts/scoped-button.tsx";

type Action = "replay" | "cancel" | "acknowledge";

const POSSIBLE: Readonly<Record<MessageTimeline["state"], readonly Action[]>> = {
  pending: ["cancel", "acknowledge"],
  sent: ["cancel", "acknowledge"],
  failed: ["replay", "acknowledge"],
  expired: ["replay", "acknowledge"],
  acknowledged: [],
};

export function MessageActions({
  message,
  onDone,
}: {
  readonly message: MessageTimeline;
  readonly onDone: () => void;
}) {
  const [asked, setAsked] = useState<Action | null>(null);
  return (
    <>
      {POSSIBLE[message.state].map((action) => (
        <ScopedButton key={action} scope="operate" class="plain" data-action={action} onClick={() => setAsked(action)}>
          {t(`action.${action}`)}
        </ScopedButton>
      ))}
      {asked !== null && (
        <Confirm
          title={t(`action.${asked}`)}
          verb={t(`action.${asked}`)}
          isDanger={asked === "cancel"}
          act={() => post(`/v1/messages/${message.message_id}/${asked}`)}
          onDone={() => {
            setAsked(null);
            onDone();
          }}
          onClose={() => setAsked(null)}
        >
          <p>{t(`action.${asked}.does`)}</p>
        </Confirm>
      )}
    </>
  );
}
