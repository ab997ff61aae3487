/**
 * Creates a token.
 *
 * Invariants:
 *  SHOWN_ONCE-1. The token is only in this dialog's memory, and is dropped when the dialog closes.
 */
import { useState } from "preact/hooks";
import { post } from "../../api/client.ts";
import { SCOPES, type Scope } from "../../api/principal.ts";
import { t } from "../../i18n/text.ts";
import { Confirm } from "../../parts/confirm.tsx";
import { Dialog } from "../../parts/dialog.tsx";

const DAY_S = 86_400;

interface Made {
  readonly name: string;
  readonly token: string;
}

export function CreateToken({ onMade }: { readonly onMade: () => void }) {
  const [isOpen, setOpen] = useState(false);
  const [made, setMade] = useState<Made | null>(null);
  return (
    <>
      <button type="button" class="primary" onClick={() => setOpen(true)}>
        {t("tokens.create")}
      </button>
      {isOpen && (
        <Form
          onClose={() => setOpen(false)}
          onDone={(done) => {
            setOpen(false);
            setMade(done);
            onMade();
          }}
        />
      )}
      {/* SHOWN_ONCE-1 */}
      {made !== null && <Shown made={made} onClose={() => setMade(null)} />}
    </>
  );
}

function Form({ onDone, onClose }: { readonly onDone: (made: Made) => void; readonly onClose: () => void }) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<readonly Scope[]>(["send", "read"]);
  const [topics, setTopics] = useState("");
  const [days, setDays] = useState("");
  const create = () => {
    const filters = topics.split(",").flatMap((filter) => filter.trim() || []);
    return post<Made>("/v1/principals", {
      name: name.trim(),
      scopes,
      ...(filters.length === 0 ? {} : { topics: { write: filters, read: filters } }),
      ...(Number(days) > 0 ? { expires_in_seconds: Math.round(Number(days) * DAY_S) } : {}),
    });
  };
  return (
    <Confirm
      title={t("tokens.create")}
      verb={t("tokens.create.verb")}
      isReady={name.trim() !== "" && scopes.length > 0}
      act={create}
      onDone={onDone}
      onClose={onClose}
    >
      <label>
        {t("tokens.name")}
        <input value={name} autoComplete="off" onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <ScopeBoxes scopes={scopes} onChange={setScopes} />
      <label>
        {t("tokens.topics")}
        <input value={topics} placeholder="team-a/#" onInput={(event) => setTopics(event.currentTarget.value)} />
      </label>
      <label>
        {t("tokens.days")}
        <input type="number" min="0" value={days} onInput={(event) => setDays(event.currentTarget.value)} />
      </label>
    </Confirm>
  );
}

interface ScopeBoxesProps {
  readonly scopes: readonly Scope[];
  readonly onChange: (scopes: readonly Scope[]) => void;
}

function ScopeBoxes({ scopes, onChange }: ScopeBoxesProps) {
  const toggle = (scope: Scope): void =>
    onChange(scopes.includes(scope) ? scopes.filter((one) => one !== scope) : [...scopes, scope]);
  return (
    <fieldset>
      <legend>{t("who.scopes")}</legend>
      {SCOPES.map((scope) => (
        <label key={scope}>
          <input type="checkbox" checked={scopes.includes(scope)} onChange={() => toggle(scope)} />
          <span>
            <b>{scope}</b> {t(`scope.${scope}`)}
          </span>
        </label>
      ))}
    </fieldset>
  );
}

function Shown({ made: { name, token }, onClose }: { readonly made: Made; readonly onClose: () => void }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    // Over plain HTTP from another machine there is no clipboard; the reader copies the text manually.
    setCopied(
      (await navigator.clipboard?.writeText(token).then(
        () => true,
        () => false,
      )) ?? false,
    );
  };
  return (
    <Dialog title={t("tokens.made", { name })} onClose={onClose}>
      <div class="dialog-body">
        <p>{t("tokens.once")}</p>
        <code class="value secret" data-token>
          {token}
        </code>
      </div>
      <div class="actions">
        <span class="dim" role="status">
          {isCopied && t("tokens.copied")}
        </span>
        <button type="button" class="plain" onClick={() => void copy()}>
          {t("tokens.copy")}
        </button>
        <button type="button" class="primary" onClick={onClose}>
          {t("dialog.cancel")}
        </button>
      </div>
    </Dialog>
  );
}
