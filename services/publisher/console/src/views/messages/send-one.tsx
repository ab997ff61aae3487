/** Sends a test message and opens its timeline. */
import { useState } from "preact/hooks";
import { post } from "../../api/client.ts";
import { t } from "../../i18n/text.ts";
import { Confirm } from "../../parts/confirm.tsx";
import { ScopedButton } from "../../parts/scoped-button.tsx";
import { go, linkTo } from "../../state/router.ts";

export function SendOne({ onSent }: { readonly onSent: () => void }) {
  const [isOpen, setOpen] = useState(false);
  const [topic, setTopic] = useState("acktor/test");
  const [content, setContent] = useState("hello");
  return (
    <>
      <ScopedButton scope="send" class="primary" onClick={() => setOpen(true)}>
        {t("send.one")}
      </ScopedButton>
      {isOpen && (
        <Confirm
          title={t("send.one")}
          verb={t("send.verb")}
          act={() => post<{ readonly message_id: string }>("/v1/messages", { topic, content })}
          onDone={({ message_id }) => {
            setOpen(false);
            onSent();
            go(linkTo(`/messages/${message_id}`));
          }}
          onClose={() => setOpen(false)}
        >
          <label>
            {t("field.topic")}
            <input value={topic} onInput={(event) => setTopic(event.currentTarget.value)} />
          </label>
          <label>
            {t("field.content")}
            <textarea rows={4} value={content} onInput={(event) => setContent(event.currentTarget.value)} />
          </label>
        </Confirm>
      )}
    </>
  );
}
