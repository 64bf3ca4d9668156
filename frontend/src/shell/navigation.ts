import {
  IconBox,
  IconDatabase,
  IconHome2,
  IconListDetails,
  IconMessageCircle,
  IconPlus,
  IconServer2,
  type TablerIcon,
} from "@tabler/icons-react";
import { text } from "../text";

export interface Place {
  to: string;
  label: string;
  icon: TablerIcon;
}

/** All pages in their order. The shell shows those that have a route. */
export const PLACES: readonly Place[] = [
  { to: "/", label: text.shell.pages.home, icon: IconHome2 },
  { to: "/datasets", label: text.shell.pages.datasets, icon: IconDatabase },
  { to: "/new", label: text.shell.pages.newRun, icon: IconPlus },
  { to: "/runs", label: text.shell.pages.runs, icon: IconListDetails },
  { to: "/models", label: text.shell.pages.models, icon: IconBox },
  { to: "/playground", label: text.shell.pages.playground, icon: IconMessageCircle },
  { to: "/system", label: text.shell.pages.system, icon: IconServer2 },
];
