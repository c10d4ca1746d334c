// Notices of the course: a sentence or two with buttons, at the top right, which wait until they are answered. They take
// no focus and block nothing; they come first in the order of Tab.

import { element } from "./dom.js";

// There from the start: screen readers tell what is added to a place that they know.
const list = element("div", {
  class: "course-notices",
  role: "region",
  "aria-label": "Notices of the course",
  "aria-live": "polite",
});
const href = new URL("notices.css", import.meta.url).href;
document.head.append(element("link", { rel: "stylesheet", href }));
document.body.prepend(list);

// Show a notice, in place of the one with the same name. `actions` is a list of [label, function]; each button closes
// the notice and then does its work; an error takes its place.
export function show({ name, text, actions, urgent = false }) {
  close(name);
  const shown = element(
    "section",
    { class: `course-notice${urgent ? " urgent" : ""}`, role: urgent ? "alert" : null, "data-name": name },
    element("p", {}, text),
    element(
      "p",
      { class: "course-notice-actions" },
      actions.map(([label, act]) =>
        element(
          "button",
          {
            type: "button",
            onclick: async () => {
              shown.remove();
              try {
                await act();
              } catch (error) {
                tell(name, error.message, true);
              }
            },
          },
          label,
        )
      ),
    ),
  );
  shown.addEventListener("keydown", (event) => event.key === "Escape" && shown.remove());
  list.append(shown);
}

export function close(name) {
  named(name)?.remove();
}

export function isShown(name) {
  return named(name) !== undefined;
}

function named(name) {
  return [...list.children].find((shown) => shown.dataset.name === name);
}

// A notice that only tells something.
export function tell(name, text, urgent = false) {
  show({ name, text, urgent, actions: [["OK", () => {}]] });
}
