/** Asks before a command is sent, and shows a refusal, for example because the state has changed (409). */
import type { Command } from "@acktor/shared/inspect/wire";
import { GRAVE, sendCommand } from "../../api/commands.ts";
import { t } from "../../i18n/text.ts";
import { Confirm } from "../../parts/confirm.tsx";
import type { LiveActor } from "../../state/fleet.ts";

interface CommandDialogProps {
  readonly command: Command;
  readonly actor: LiveActor;
  readonly onClose: () => void;
}

export function CommandDialog({ command, actor, onClose }: CommandDialogProps) {
  const name = t(`command.${command}`);
  return (
    <Confirm
      title={t("command.title", { command: name, instance: actor.instance })}
      verb={name}
      isDanger={GRAVE.has(command)}
      act={() => sendCommand(command, actor.service, actor.instance)}
      onDone={onClose}
      onClose={onClose}
    >
      <p>{t(`command.${command}.does`)}</p>
    </Confirm>
  );
}
