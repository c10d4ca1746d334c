// The course's plugins for JupyterLab. Each module gives the function that makes its plugin.

import { shareFrom } from "./jupyterlab.js";
import { homePlugin } from "./home.js";
import { labViewPlugin } from "./lab-view.js";

export async function load(scope) {
  shareFrom(scope);
  const plugins = await Promise.all([homePlugin(), labViewPlugin()]);
  return { __esModule: true, default: plugins };
}
