/** 'Send 100': sends test messages to a topic. */
import { useState } from "preact/hooks";
import { post } from "../../api/client.ts";
import { t } from "../../i18n/text.ts";
import { Confirm } from "../../parts/confirm.tsx";
import { ScopedButton } from "../../parts/scoped-button.tsx";

const HOW_MANY = 100;

export function SendMany() {
  const [isOpen, setOpen] = useState(false);
  const [topic, setTopic] = useState("acktor/test");
  const [sent, setSent] = useState(0);
  const send = () => {
    const messages = Array.from({ length: HOW_MANY }, (_, index) => ({
      topic,
      content: `test ${index + 1}/${HOW_MANY}`,
    }));
    return post<{ readonly message_ids: readonly string[] }>("/v1/messages/batch", { messages });
  };
  return (
    <>
      <span role="status" class="dim">
        {sent > 0 && t("send.sent", { count: sent })}
      </span>
      <ScopedButton scope="send" class="primary" onClick={() => setOpen(true)}>
        {t("send.many", { count: HOW_MANY })}
      </ScopedButton>
      {isOpen && (
        <Confirm
          title={t("send.many", { count: HOW_MANY })}
          verb={t("send.verb")}
          act={send}
          onDone={({ message_ids }) => {
            setSent(sent + message_ids.length);
            setOpen(false);
          }}
          onClose={() => setOpen(false)}
        >
          <label>
            {t("field.topic")}
            <input value={topic} onInput={(event) => setTopic(event.currentTarget.value)} />
          </label>
          <p class="dim">{t("send.hint")}</p>
        </Confirm>
      )}
    </>
  );
}
