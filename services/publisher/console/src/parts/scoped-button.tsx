/** A button for an action that needs a scope. Without the scope it is disabled, and its title gives the reason. */
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
  // Not `disabled`: the keyboard could not reach the reason.
  return <button type="button" aria-disabled="true" title={t("scope.missing", { scope })} {...rest} />;
}
