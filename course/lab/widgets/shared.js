// What all widgets of the course use: it stands before each of their scripts.

/** An element with its properties or attributes, and what is in it. */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/**
 * The frame of a widget. A form keeps the radio buttons of two widgets apart. JupyterLab must not take the keys for its
 * own: neither its shortcuts, which look for the attribute, nor the notebook around.
 */
function frame(kind, model) {
  const form = element("form", { className: `course-widget course-${kind}` });
  if (model.get("right_before") && !model.get("results").length) {
    form.append(element("p", { className: "quiet", textContent: "You have answered this one before." }));
  }
  form.dataset.lmSuppressShortcuts = "true";
  form.addEventListener("keydown", (event) => event.stopPropagation());
  return form;
}

/** A group of radio buttons. The texts are HTML, made of escaped text in Python. */
function choices(question, texts) {
  const rows = texts.map((text, index) =>
    element(
      "label",
      {},
      element("input", { type: "radio", name: "option", value: index }),
      element("span", { innerHTML: text }),
    ),
  );
  return element("fieldset", {}, element("legend", { innerHTML: question }), ...rows);
}

/** Which of the choices is checked, -1 for none. */
function checkedIn(form) {
  return Number(form.querySelector("input:checked")?.value ?? -1);
}

/** Keep what the student did, and add how it went to the progress. */
function addTry(model, answer, right) {
  model.set("answer", answer);
  model.set("results", [...model.get("results"), right]);
  model.save_changes();
}
