/** Every word that the studio says, a file a page. */
import { datasets } from "./datasets";
import { home } from "./home";
import { newRun } from "./new-run";
import { shell } from "./shell";
import { system } from "./system";

export const text = { shell, home, datasets, newRun, system };
