/** A box whose content scrolls, also by keyboard. */
import type { ComponentChildren } from "preact";

interface ScrollBoxProps {
  readonly class: "scroll" | "scroll-x" | "picture";
  readonly label: string;
  /** Minimum width of the content in pixels; a narrower box scrolls. */
  readonly leastWidth?: number;
  readonly children: ComponentChildren;
}

export function ScrollBox({ class: name, label, leastWidth, children }: ScrollBoxProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard scrolls it
    <section class={name} aria-label={label} tabIndex={0} style={{ "--least-width": `${leastWidth ?? 0}px` }}>
      {children}
    </section>
  );
}
