/** Why a request failed, and the fix. */
import type { Refusal } from "../api/answer.ts";
import { t } from "../i18n/text.ts";

export function Fault({ refusal }: { readonly refusal: Refusal }) {
  const text = refusal.status === null ? t("fault.unreachable") : refusal.message;
  return (
    <div class="fault" role="alert">
      <strong>{text}</strong>
      {refusal.fix !== "" && <span> {refusal.fix}</span>}
    </div>
  );
}
