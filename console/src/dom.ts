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
  mic: "M10 3a2.5 2.5 0 012.5 2.5v4a2.5 2.5 0 01-5 0v-4A2.5 2.5 0 0110 3zM5 9.5a5 5 0 0010 0M10 14.5V17M7.5 17h5",
  micOff: "M10 3a2.5 2.5 0 012.5 2.5v4a2.5 2.5 0 01-5 0v-4A2.5 2.5 0 0110 3zM5 9.5a5 5 0 0010 0M10 14.5V17M7.5 17h5M3.5 3l13 14",
  phone: "M5 3h3l1.2 4-1.8 1.3a9 9 0 004.3 4.3L13 10.800l4 1.200v3a2 2 0 01-2.200 2A14 14 0 013 5.200 2 2 0 015 3z",
  radio: "M6 8h8v9H6zM8 8V2.500M8.500 10.500h3M8.500 14.500h.01M11.500 14.500h.01",
  screen: "M3 4h14v9H3zM7 17h6M10 13v4",
  satellite: "M4 16a6 6 0 016-6M4 12.500A9 9 0 0113 4M10 10l3-3M12 5l3 3 2-2-3-3z",
  mesh: "M5 5a1.500 1.500 0 103 0 1.500 1.500 0 00-3 0zM13 7a1.500 1.500 0 103 0 1.500 1.500 0 00-3 0zM8 15a1.500 1.500 0 103 0 1.500 1.500 0 00-3 0zM8 5.500l5 1M7 6.500l2 7M13.500 8.500l-3.500 5",
  camera: "M3 6h9v8H3zM12 9l5-2.500v7L12 11",
  mail: "M3 5h14v10H3zM3 5.500l7 5.500 7-5.500",
  bell: "M10 3a4 4 0 014 4c0 4 1.500 5 1.500 5h-11S6 11 6 7a4 4 0 014-4zM8.500 15a1.500 1.500 0 003 0",
  pin: "M10 17s5-5 5-9a5 5 0 00-10 0c0 4 5 9 5 9zM10 9.500a1.500 1.500 0 100-3 1.500 1.500 0 000 3z",
  list: "M4 5h12M4 10h12M4 15h12",
  note: "M4 4h12v9h-6l-4 3.500V13H4z",
  alarm: "M10 3.500L17.500 16h-15zM10 8.500v3.500M10 14.200h.01",
  pictures: "M3 4h14v12H3zM3 10h14M10 4v12",
  in: "M15 5L6 14M6 7v7h7",
  out: "M5 15l9-9M7 6h7v7",
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
