/** Asks for the bearer token, if the publisher requires one or refused the last one. */
import { useState } from "preact/hooks";
import { t } from "../i18n/text.ts";
import { isOpen } from "../state/me.ts";
import { continueWithout, signIn, token } from "../state/session.ts";

export function TokenForm() {
  const [given, setGiven] = useState("");
  const wasRefused = token.value !== null;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    // The next request shows whether the publisher accepts it: the event stream is opened again.
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
        <button type="button" class="plain" onClick={continueWithout}>
          {t("token.without")}
        </button>
      )}
      <p class="dim">{t("token.hint")}</p>
    </form>
  );
}
