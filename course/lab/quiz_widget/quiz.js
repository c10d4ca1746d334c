// The live quiz: radio buttons in a named group, a button, and a verdict that screen readers speak.

function render({ model, el }) {
  const options = model.get("options");

  // A form keeps the radio buttons of two quizzes apart. JupyterLab must not take the arrow keys for its own: neither
  // its shortcuts, which look for this attribute, nor the notebook around.
  const form = document.createElement("form");
  form.className = "course-quiz";
  form.dataset.lmSuppressShortcuts = "true";
  form.addEventListener("keydown", (event) => event.stopPropagation());

  const group = document.createElement("fieldset");
  const question = document.createElement("legend");
  question.innerHTML = model.get("question"); // made of escaped text in Python, as the options are
  group.append(question);
  for (const [index, option] of options.entries()) {
    const label = document.createElement("label");
    const radio = document.createElement("input");
    radio.type = "radio";
    radio.name = "option";
    radio.value = index;
    const text = document.createElement("span");
    text.innerHTML = option.text;
    label.append(radio, text);
    group.append(label);
  }

  const check = document.createElement("button");
  check.textContent = "Check";
  const verdict = document.createElement("p");
  verdict.setAttribute("role", "status");
  form.append(group, check, verdict);

  function judge(index) {
    const { right, explanation } = options[index];
    verdict.className = right ? "right" : "wrong";
    verdict.innerHTML = right ? explanation : `${explanation} <em>Try again.</em>`;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const radio = form.querySelector("input:checked");
    if (!radio) {
      verdict.textContent = "Choose an option first.";
      return;
    }
    judge(Number(radio.value));
    model.set("chosen", Number(radio.value));
    model.save_changes();
  });

  form.addEventListener("change", () => {
    verdict.className = "";
    verdict.textContent = "";
  });

  const chosen = model.get("chosen"); // a second view of the same quiz
  if (chosen >= 0) {
    form.elements.option[chosen].checked = true;
    judge(chosen);
  }

  el.append(form);
}

export default { render };
