// The course's plugins for JupyterLab. Each module gives the function that makes its plugin.

import { shareFrom } from "./jupyterlab.js";
import { classroomPlugin } from "./classroom.js";
import { homePlugin } from "./home.js";
import { keepingPlugin } from "./keeping.js";
import { labViewPlugin } from "./lab-view.js";

export async function load(scope) {
  shareFrom(scope);
  const plugins = await Promise.all([homePlugin(), labViewPlugin(), classroomPlugin(), keepingPlugin()]);
  return { __esModule: true, default: plugins };
}
