/** Every word that the studio says, a file a page. */
import { datasets } from "./datasets";
import { home } from "./home";
import { shell } from "./shell";

export const text = { shell, home, datasets };
