/** Every word that the studio says, a file a page. */
import { datasets } from "./datasets";
import { home } from "./home";
import { copying, models } from "./models";
import { playground } from "./playground";
import { shell } from "./shell";

export const text = { shell, home, datasets, models, copying, playground };
