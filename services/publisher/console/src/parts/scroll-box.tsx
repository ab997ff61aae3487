/** What may be wider or higher than its place: it scrolls by itself, also by keyboard. */
import type { ComponentChildren } from "preact";

interface ScrollBoxProps {
  readonly class: "scroll" | "scroll-x" | "picture";
  readonly label: string;
  /** Of what is in it, pixels: below that it scrolls. */
  readonly leastWidth?: number;
  readonly children: ComponentChildren;
}

export function ScrollBox({ class: name, label, leastWidth, children }: ScrollBoxProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: who has no pointer scrolls by the keys
    <section class={name} aria-label={label} tabIndex={0} style={{ "--least-width": `${leastWidth ?? 0}px` }}>
      {children}
    </section>
  );
}
