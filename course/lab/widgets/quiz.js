// The live quiz: radio buttons in a named group, a button, and a verdict that screen readers speak.

function render({ model, el }) {
  const { question, options } = model.get("content");
  const verdict = element("p", { role: "status" });
  const form = frame("quiz", model);
  form.append(
    choices(question, options.map((option) => option.text)),
    element("button", { textContent: "Check" }),
    verdict,
  );

  function judge(index) {
    const { right, explanation } = options[index];
    verdict.className = right ? "right" : "wrong";
    verdict.innerHTML = right ? explanation : `${explanation} <em>Try again.</em>`;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const index = checkedIn(form);
    if (index < 0) {
      verdict.textContent = "Choose an option first.";
      return;
    }
    judge(index);
    if (index !== model.get("answer").chosen) addTry(model, { chosen: index }, options[index].right);
  });

  form.addEventListener("change", () => {
    verdict.className = "";
    verdict.textContent = "";
  });

  const { chosen } = model.get("answer"); // the same quiz shown again
  if (chosen !== undefined) {
    form.elements.option[chosen].checked = true;
    judge(chosen);
  }

  el.append(form);
}

export default { render };
