// The live prediction: a choice or a line, which is fixed with a button; later another button shows what it is.

/** Whether a typed prediction says what the answer says: spaces, kinds of quotes and None, none or null do not matter. */
function same(prediction, answer) {
  return plain(prediction) === plain(answer);
}

// In quotes, these are something else: '5' is no 5, and 'None' no None.
const LITERAL = /^(|[-+]?\d.*|none|true|false|[[({].*)$/;

function plain(text) {
  const tidy = text
    .trim()
    .replace(/[“”‘’"]/g, "'")
    .replace(/\s*([^\w\s])\s*/g, "$1")
    .replace(/\s+/g, " ")
    .replace(/\b(none|null)\b/gi, "none")
    .replace(/\b(true|false)\b/gi, (word) => word.toLowerCase());
  if (/^\d{1,3}(,\d{3})+$/.test(tidy)) return tidy.replaceAll(",", "");
  const inside = /^'([^']*)'$/.exec(tidy)?.[1];
  return inside === undefined || LITERAL.test(inside) ? tidy : inside;
}

function line(question) {
  const input = element("input", { type: "text", name: "line", autocomplete: "off", spellcheck: false });
  return element(
    "fieldset",
    {},
    element("label", {}, element("span", { className: "question", innerHTML: question }), input),
  );
}

/** What was predicted beside what it is, and why. */
function comparison({ options, answer, why }, predicted) {
  const isSame = options ? predicted === answer : same(predicted, answer);
  const code = (text) => element("code", { textContent: text });
  const shown = (value) => (options ? element("span", { innerHTML: options[value].text }) : code(value));
  const mark = element("span", { role: "img", "aria-label": isSame ? "the same" : "not the same" });
  mark.textContent = isSame ? "=" : "≠";
  const verdict = element("p", { className: isSame ? "right" : "other" }, mark);
  verdict.append(isSame ? " You predicted it. " : " It is not what you predicted. Many people say that at first. ");
  const reasons = options ? [...new Set([predicted, answer])].map((index) => options[index].why) : [why];
  return [
    element(
      "dl",
      {},
      element("div", {}, element("dt", { textContent: "You predicted" }), element("dd", {}, shown(predicted))),
      element("div", {}, element("dt", { textContent: "It is" }), element("dd", {}, shown(answer))),
    ),
    verdict,
    ...reasons.filter(Boolean).map((reason) => element("p", { className: "why", innerHTML: reason })),
  ];
}

function render({ model, el }) {
  const content = model.get("content");
  const { question, options, answer } = content;
  const field = options ? choices(question, options.map((option) => option.text)) : line(question);
  const commit = element("button", { textContent: "This is my prediction" });
  const message = element("p", { role: "status" });
  const compare = element("button", { type: "button", textContent: "Compare", hidden: true });
  const result = element("div", { hidden: true, tabIndex: -1, role: "group", "aria-label": "Comparison" });
  const form = frame("predict", model);
  form.append(field, commit, message, compare, result);

  function fix() {
    field.disabled = true;
    commit.hidden = true;
    compare.hidden = false;
    message.textContent = "Now run the next cell and compare.";
  }

  function reveal(predicted) {
    compare.hidden = true;
    message.textContent = "";
    result.replaceChildren(...comparison(content, predicted));
    result.hidden = false;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.disabled) return;
    const predicted = options ? checkedIn(form) : form.elements.line.value.trim();
    if (predicted === -1 || predicted === "") {
      message.textContent = options ? "Choose what you expect. A guess is fine." : "Type what you expect. A guess is fine.";
      return;
    }
    addTry(model, { predicted }, options ? predicted === answer : same(predicted, answer));
    fix();
    compare.focus();
  });

  form.addEventListener("input", () => (message.textContent = ""));

  compare.addEventListener("click", () => {
    const { predicted } = model.get("answer");
    reveal(predicted);
    result.focus();
    model.set("answer", { predicted, compared: true });
    model.save_changes();
  });

  const { predicted, compared } = model.get("answer"); // the same prediction shown again
  if (predicted !== undefined) {
    if (options) form.elements.option[predicted].checked = true;
    else form.elements.line.value = predicted;
    fix();
    if (compared) reveal(predicted);
  }

  el.append(form);
}

export default { render, same };
