// Drawing anew what a person may just be pressing: it waits until they let go, and whoever has the focus keeps it.

const FOCUSABLE = "button, input, select, textarea, summary, [tabindex]";

export class Redraw {
  private pressed = false;
  private due = false;

  constructor(
    private readonly element: HTMLElement,
    private readonly draw: () => void,
  ) {
    element.addEventListener("pointerdown", () => (this.pressed = true));
    for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, () => this.letGo());
  }

  /** Now, or when the finger is up: a button that is made anew while it is pressed would lose the click. */
  now(): void {
    if (this.pressed) {
      this.due = true;
      return;
    }
    this.due = false;
    const place = this.places().indexOf(document.activeElement as HTMLElement);
    this.draw();
    if (place >= 0 && document.activeElement === document.body) this.places()[place]?.focus({ preventScroll: true });
  }

  private letGo(): void {
    if (!this.pressed) return;
    this.pressed = false;
    // The click comes behind the end of the press.
    if (this.due) setTimeout(() => this.now());
  }

  private places(): HTMLElement[] {
    return [...this.element.querySelectorAll<HTMLElement>(FOCUSABLE)];
  }
}
