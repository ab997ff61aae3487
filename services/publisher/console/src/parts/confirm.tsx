/** A dialog that asks before an action, and shows why the action failed. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Answer, Refusal } from "../api/answer.ts";
import { t } from "../i18n/text.ts";
import { Dialog } from "./dialog.tsx";
import { Fault } from "./fault.tsx";

interface ConfirmProps<T> {
  readonly title: string;
  readonly children: ComponentChildren;
  /** Text of the button that starts the action. */
  readonly verb: string;
  readonly isDanger?: boolean;
  readonly isReady?: boolean;
  readonly act: () => Promise<Answer<T>>;
  readonly onDone: (value: T) => void;
  readonly onClose: () => void;
}

export function Confirm<T>({ title, children, verb, isDanger, isReady = true, act, onDone, onClose }: ConfirmProps<T>) {
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<Refusal | null>(null);
  const confirm = async (): Promise<void> => {
    setBusy(true);
    const answer = await act();
    setBusy(false);
    if (answer.ok) onDone(answer.value);
    else setFault(answer);
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <div class="dialog-body">{children}</div>
      {fault !== null && <Fault refusal={fault} />}
      <div class="actions">
        <button type="button" class="plain" onClick={onClose}>
          {t("dialog.cancel")}
        </button>
        <button
          type="button"
          class={isDanger === true ? "danger" : "primary"}
          disabled={isBusy || !isReady}
          onClick={() => void confirm()}
        >
          {verb}
        </button>
      </div>
    </Dialog>
  );
}
