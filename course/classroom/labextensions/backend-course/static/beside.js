// What belongs to a lab is shown on its right: as tabs of one pane, so that the lab keeps its half of the window.

const BESIDE = "course-beside";

export function addBeside(app, panel, view) {
  const neighbour = [...app.shell.widgets("main")].find((each) => each.hasClass(BESIDE) && each.isVisible);
  view.addClass(BESIDE);
  app.shell.add(view, "main", neighbour ? { ref: neighbour.id } : { ref: panel.id, mode: "split-right" });
}
