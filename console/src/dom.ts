// Making elements without a framework: `h("div", { class: "tile" }, child, "text")`.

type Child = Node | string | number | null | undefined | false;
type Value = string | number | boolean | null | undefined | ((event: never) => void);

/** Properties named `on…` are listeners; `true` sets an empty attribute, `false`, null and undefined none. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Record<string, Value> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value as EventListener);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, String(value));
  }
  fill(made, ...children);
  return made;
}

/** Replace what an element holds. Text is always text, never markup. */
export function fill(parent: Element, ...children: Child[]): void {
  parent.replaceChildren(
    ...children.filter((child) => child !== null && child !== undefined && child !== false).map((child) =>
      child instanceof Node ? child : document.createTextNode(String(child)),
    ),
  );
}

/** Set text only where it differs, so that a screen reader and the layout are left in peace. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

const ICONS = {
  close: "M5 5l10 10M15 5L5 15",
  full: "M4 8V4h4M12 4h4v4M16 12v4h-4M8 16H4v-4",
  muted: "M4 8v4h3l4 3V5L7 8zM14 8l4 4M18 8l-4 4",
  sound: "M4 8v4h3l4 3V5L7 8zM14 7.5a4 4 0 010 5M16.5 5.5a7 7 0 010 9",
  contrast: "M10 3a7 7 0 000 14z M10 3a7 7 0 010 14",
  move: "M10 2v16M2 10h16M7.5 4.5L10 2l2.5 2.5M7.5 15.5L10 18l2.5-2.5M4.5 7.5L2 10l2.5 2.5M15.5 7.5L18 10l-2.5 2.5",
} as const;

export type Icon = keyof typeof ICONS;

/** A line drawing in the text's colour: fonts on kits' screens seldom have the signs for these. */
export function icon(name: Icon): SVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  made.setAttribute("viewBox", "0 0 20 20");
  made.setAttribute("aria-hidden", "true");
  made.classList.add("svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  made.append(path);
  return made;
}
