/** Every word that the studio says, a file a page. */
import { datasets } from "./datasets";
import { home } from "./home";
import { run } from "./run";
import { runs } from "./runs";
import { shell } from "./shell";

export const text = { shell, home, datasets, run, runs };
