import type { ReactNode, Ref } from "react";

interface Props {
  label: string;
  className?: string;
  place?: Ref<HTMLElement>;
  onScroll?: () => void;
  children: ReactNode;
}

/** Long text in a box of its own, which the keyboard reaches. */
export function Scrolled({ label, className, place, onScroll, children }: Props) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
    <section ref={place} className={className} tabIndex={0} aria-label={label} onScroll={onScroll}>
      <pre>{children}</pre>
    </section>
  );
}
