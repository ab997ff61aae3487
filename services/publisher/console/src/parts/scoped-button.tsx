/** A button for what needs a scope: without it, it says why it does nothing, by hover, to the keyboard and to a reader. */
import type { ButtonHTMLAttributes } from "preact";
import type { Scope } from "../api/principal.ts";
import { t } from "../i18n/text.ts";
import { may } from "../state/me.ts";

interface ScopedButtonProps extends Omit<ButtonHTMLAttributes, "onClick"> {
  readonly scope: Scope;
  readonly onClick: () => void;
}

export function ScopedButton({ scope, onClick, ...rest }: ScopedButtonProps) {
  if (may(scope)) return <button type="button" onClick={onClick} {...rest} />;
  // Not `disabled`: a keyboard would never reach the reason.
  return <button type="button" aria-disabled="true" title={t("scope.missing", { scope })} {...rest} />;
}
