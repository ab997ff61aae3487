/** Filters the list by an exact topic, or opens a message by its id. */
import { useEffect, useState } from "preact/hooks";
import { t } from "../../i18n/text.ts";
import { go, linkTo, setParams } from "../../state/router.ts";

export function TopicFilter({ topic }: { readonly topic: string | null }) {
  const [text, setText] = useState(topic ?? "");
  const [id, setId] = useState("");
  useEffect(() => setText(topic ?? ""), [topic]);
  return (
    <div class="toolbar card">
      <form
        class="grow"
        onSubmit={(event) => {
          event.preventDefault();
          setParams({ topic: text.trim() === "" ? null : text.trim(), before: null });
        }}
      >
        <label>
          {t("messages.topic")}
          <input type="search" value={text} onInput={(e) => setText(e.currentTarget.value)} />
        </label>
        <button type="submit" class="plain">
          {t("messages.filter")}
        </button>
      </form>
      <form
        class="grow"
        onSubmit={(event) => {
          event.preventDefault();
          if (id.trim() !== "") go(linkTo(`/messages/${encodeURIComponent(id.trim())}`));
        }}
      >
        <label>
          {t("messages.id")}
          <input type="search" value={id} onInput={(e) => setId(e.currentTarget.value)} />
        </label>
        <button type="submit" class="plain">
          {t("messages.find")}
        </button>
      </form>
    </div>
  );
}
