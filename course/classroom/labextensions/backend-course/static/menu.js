// The one "Course" menu of the menu bar, made by whoever asks first.

import { shared } from "./jupyterlab.js";

let menu = null;

// The menu, to which each plugin adds its items: `(await courseMenu(app, mainMenu))?.addItem({ command, rank })`.
// Null where JupyterLab runs without a menu bar.
export async function courseMenu(app, mainMenu) {
  if (!mainMenu) return null;
  const { RankedMenu } = await shared("@jupyterlab/ui-components");
  if (!menu) {
    menu = new RankedMenu({ commands: app.commands });
    menu.id = "course-menu";
    menu.title.label = "Course";
    mainMenu.addMenu(menu, false, { rank: 600 });
  }
  return menu;
}
