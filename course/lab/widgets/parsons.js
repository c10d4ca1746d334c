// The live Parsons problem: lines to put in order with keys, buttons or the mouse, and what is wrong first.

const STEP = 32; // how far a line is indented for one level, in pixels

/**
 * What is wrong first with a program, a list of [text, level], where any of `orders` is right: its index and what to say.
 * Null where nothing is wrong.
 */
function firstFault(program, orders) {
  const isRight = (order, index) =>
    order[index]?.[0] === program[index]?.[0] && order[index]?.[1] === program[index]?.[1];
  const reach = (order) => {
    const length = Math.max(order.length, program.length);
    let index = 0;
    while (index < length && isRight(order, index)) index += 1;
    return index;
  };
  const order = orders.reduce((best, other) => (reach(other) > reach(best) ? other : best));
  const index = reach(order);
  if (index === order.length && index === program.length) return null;
  const found = program[index];
  const name = `Line ${index + 1}`;
  if (!found) return { index, words: "Right so far, but the program is not complete: you left out a line it needs." };
  if (!order.some(([text]) => text === found[0])) return { index, words: `${name} is not needed. Leave it out.` };
  if (order[index]?.[0] === found[0]) {
    return { index, words: `${name} is in its place, but not indented right. Which block is it part of?` };
  }
  return {
    index,
    words: index ? `${name} is out of place. All lines above it are right.` : "Line 1 is out of place: the program begins with another.",
  };
}

function render({ model, el }) {
  const { task, lines, orders, deepest, spare } = model.get("content");
  // Each line with its level, from top to bottom; those left out come last.
  let items = structuredClone(model.get("answer").items ?? lines.map((_, line) => ({ line, level: 0, out: false })));
  let selected = items[0].line;

  const rows = lines.map((text) =>
    element(
      "li",
      { role: "option" },
      element("span", { className: "number", "aria-hidden": "true" }),
      element("code", { textContent: text }),
    ),
  );
  const program = element("ul", { role: "group", "aria-label": "Your program" });
  const leftOut = element("ul", { role: "group", "aria-label": "Not needed", className: "left-out", hidden: !spare });
  const list = element("div", { role: "listbox", "aria-label": "Lines of the program" }, program, leftOut);
  const said = element("p", { className: "only-spoken", "aria-live": "polite" });
  const verdict = element("p", { role: "status" });
  const solved = element("div", { className: "solved", hidden: true });

  const actions = {
    "Move up": () => move(-1),
    "Move down": () => move(1),
    ...(deepest && { Outdent: () => indent(-1), Indent: () => indent(1) }),
  };
  const tools = element("div", { role: "toolbar", "aria-label": "Change the selected line" });
  for (const [name, act] of Object.entries(actions)) {
    const button = element("button", { type: "button", className: "tool", textContent: name });
    button.addEventListener("click", () => change(act));
    tools.append(button);
  }
  const keys = deepest ? "Alt with the arrow keys moves and indents it." : "Alt with ↑ or ↓ moves it.";
  const help = element("p", {
    className: "quiet",
    textContent: `Choose a line with a click or with ↑ and ↓. ${keys} You can drag it too.${
      spare ? " Lines that are not needed go to the bottom." : ""
    }`,
  });
  const form = frame("parsons", model);
  form.append(
    element("p", { className: "question", innerHTML: task }),
    help,
    list,
    said,
    element("div", { className: "buttons" }, tools, element("button", { textContent: "Check" })),
    verdict,
    solved,
  );

  const place = () => items.findIndex((item) => item.line === selected);
  const written = () => items.filter((item) => !item.out).map((item) => [lines[item.line], item.level]);

  function draw() {
    const hadFocus = list.contains(document.activeElement);
    for (const [index, { line, level, out }] of items.entries()) {
      const row = rows[line];
      (out ? leftOut : program).append(row);
      row.firstChild.textContent = out ? "" : index + 1;
      row.lastChild.style.marginLeft = `${level * STEP}px`;
      row.tabIndex = line === selected ? 0 : -1;
      row.setAttribute("aria-selected", line === selected);
      row.setAttribute("aria-label", `${lines[line]}, ${describe(items[index], index)}`);
    }
    if (hadFocus) rows[selected].focus();
  }

  function describe({ level, out }, index) {
    if (out) return "left out";
    return `line ${index + 1}${level ? `, indented ${level === 1 ? "once" : `${level} times`}` : ""}`;
  }

  function select(line) {
    selected = line;
    draw();
  }

  function move(by) {
    const from = place();
    const item = items[from];
    const other = items[from + by];
    if (other && other.out === item.out) [items[from], items[from + by]] = [other, item];
    else if (spare && item.out === by < 0) item.out = !item.out; // over the border of the program
  }

  function indent(by) {
    const item = items[place()];
    item.level = Math.max(0, Math.min(deepest, item.level + by));
  }

  /** Let the selected line change, and say where it is now. */
  function change(act) {
    act();
    clearVerdict();
    draw();
    keep();
  }

  function keep() {
    const index = place();
    const words = describe(items[index], index);
    said.textContent = words[0].toUpperCase() + words.slice(1);
    model.set("answer", { items: structuredClone(items) });
    model.save_changes();
  }

  function clearVerdict() {
    verdict.className = verdict.textContent = "";
    solved.hidden = true;
    for (const row of rows) row.classList.remove("fault");
  }

  // --- keys

  list.addEventListener("keydown", (event) => {
    const name = event.altKey
      ? { ArrowUp: "Move up", ArrowDown: "Move down", ArrowLeft: "Outdent", ArrowRight: "Indent" }[event.key]
      : undefined;
    const last = items.length - 1;
    const goTo = { ArrowUp: place() - 1, ArrowDown: place() + 1, Home: 0, End: last }[event.key];
    if (event.altKey && event.key.startsWith("Arrow")) {
      if (actions[name]) change(actions[name]);
    } else if (goTo !== undefined) {
      select(items[Math.max(0, Math.min(last, goTo))].line);
    } else {
      return;
    }
    event.preventDefault(); // Alt with an arrow leaves the page in some browsers
  });

  // --- mouse: up and down for the order, left and right for the level

  let drag = null;

  list.addEventListener("pointerdown", (event) => {
    const row = event.target.closest("[role=option]");
    if (!row || event.button !== 0) return;
    select(rows.indexOf(row));
    row.focus();
    drag = { x: event.clientX, y: event.clientY, level: items[place()].level, before: JSON.stringify(items) };
    list.setPointerCapture(event.pointerId); // the list, for the row itself leaves the page for a moment
    event.preventDefault(); // no selection of text
  });

  list.addEventListener("pointermove", (event) => {
    if (!drag) return;
    list.classList.add("dragging");
    const item = items[place()];
    const others = items.filter((other) => other !== item);
    const middle = ({ line }) => {
      const { top, bottom } = rows[line].getBoundingClientRect();
      return (top + bottom) / 2;
    };
    item.out = spare && event.clientY >= leftOut.getBoundingClientRect().top;
    const above = others.filter((other) => middle(other) < event.clientY).length;
    const border = others.filter((other) => !other.out).length;
    const index = item.out ? Math.max(above, border) : Math.min(above, border);
    items = [...others.slice(0, index), item, ...others.slice(index)];
    item.level = Math.max(0, Math.min(deepest, drag.level + Math.round((event.clientX - drag.x) / STEP)));
    draw();
  });

  for (const end of ["pointerup", "pointercancel"]) {
    list.addEventListener(end, () => {
      list.classList.remove("dragging");
      if (drag && drag.before !== JSON.stringify(items)) change(() => {});
      drag = null;
    });
  }

  // --- verdict

  function judge() {
    clearVerdict();
    const fault = firstFault(written(), orders);
    verdict.className = fault ? "wrong" : "right";
    const mark = element("span", { role: "img", "aria-label": fault ? "not yet" : "correct", textContent: fault ? "✗" : "✓" });
    verdict.replaceChildren(mark, ` ${fault ? fault.words : "Right. Copy the program into a cell below and run it."}`);
    if (!fault) solve();
    else if (fault.index < written().length) {
      rows[items[fault.index].line].classList.add("fault");
      select(items[fault.index].line);
    }
    return !fault;
  }

  function solve() {
    const text = written()
      .map(([line, level]) => "    ".repeat(level) + line)
      .join("\n");
    const code = element("code", { textContent: text });
    const copy = element("button", { type: "button", textContent: "Copy", hidden: !navigator.clipboard });
    copy.addEventListener("click", () => {
      getSelection().selectAllChildren(code); // where the browser forbids what follows, the keys for copying do it
      navigator.clipboard.writeText(text).then(() => (copy.textContent = "Copied"), () => {});
    });
    solved.replaceChildren(element("pre", { tabIndex: 0, role: "group", "aria-label": "The program" }, code), copy);
    solved.hidden = false;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const known = model.get("answer").checked;
    const right = judge();
    if (!known) addTry(model, { items: structuredClone(items), checked: true }, right);
  });

  draw();
  if (model.get("answer").checked) judge(); // the same problem shown again

  el.append(form);
}

export default { render, firstFault };
