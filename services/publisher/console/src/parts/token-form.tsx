/** Asks for the bearer token, when the publisher wants one and has not got the right one. */
import { useState } from "preact/hooks";
import { t } from "../i18n/text.ts";
import { isOpen } from "../state/me.ts";
import { goOnWithout, signIn, token } from "../state/session.ts";

export function TokenForm() {
  const [given, setGiven] = useState("");
  const wasRefused = token.value !== null;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    // Whether it is the right one shows with the next request: the stream of events is asked for again.
    signIn(given.trim());
  };
  return (
    <form class="token-form card" onSubmit={submit}>
      <h1>{t("token.title")}</h1>
      <p>{t("token.why")}</p>
      {wasRefused && (
        <p class="fault" role="alert">
          {t("token.refused")}
        </p>
      )}
      <label>
        {t("token.label")}
        <input
          type="password"
          autoComplete="current-password"
          required
          value={given}
          onInput={(event) => setGiven(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="primary">
        {t("token.submit")}
      </button>
      {isOpen.value && !wasRefused && (
        <button type="button" class="plain" onClick={goOnWithout}>
          {t("token.without")}
        </button>
      )}
      <p class="dim">{t("token.hint")}</p>
    </form>
  );
}
