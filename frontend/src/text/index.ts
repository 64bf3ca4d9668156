/** Every word that the studio says, a file a page. */
import { datasets } from "./datasets";
import { home } from "./home";
import { measures } from "./measures";
import { models } from "./models";
import { names } from "./names";
import { newRun } from "./new-run";
import { playground } from "./playground";
import { run } from "./run";
import { runs } from "./runs";
import { shell } from "./shell";
import { system } from "./system";

export const text = { shell, names, home, datasets, newRun, run, runs, measures, models, playground, system };
