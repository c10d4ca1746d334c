// Make elements in one expression. Text is set as text, never as HTML.

// element("a", { href: "#", class: "x", onclick: f }, "text", child, ...)
export function element(name, properties = {}, ...children) {
  const made = name === "svg" || name === "path"
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}
