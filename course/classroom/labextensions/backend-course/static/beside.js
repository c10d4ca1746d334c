// What belongs to a lab is shown on its right: as tabs of one pane, so that the lab keeps its half of the window.

const BESIDE = "course-beside";
const NARROW = 900; // pixels of a window, at 200 % zoom say, in which a lab needs all of it: a tab there
const COMFORT = 600; // pixels that a lab should keep; the outline makes way for them

// Bring a view beside a lab, or leave it there. Where it stands in front of the lab, it moves.
export function showBeside(app, panel, view) {
  if (view.isVisible && panel.isVisible) return;
  const others = [...app.shell.widgets("main")].filter((each) => each !== view && each.hasClass(BESIDE));
  const neighbour = others.find((each) => each.isVisible);
  view.addClass(BESIDE);
  if (neighbour) {
    app.shell.add(view, "main", { ref: neighbour.id });
  } else if (window.innerWidth < NARROW) {
    app.shell.add(view, "main", { ref: panel.id });
  } else {
    if (panel.node.offsetWidth / 2 < COMFORT) app.shell.collapseLeft();
    app.shell.add(view, "main", { ref: panel.id, mode: "split-right" });
  }
}
