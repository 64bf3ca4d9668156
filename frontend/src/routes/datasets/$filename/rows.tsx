import { createFileRoute } from "@tanstack/react-router";
import { Rows } from "../../../pages/datasets/rows";
import { whole, words } from "../../../ui/search";

export const Route = createFileRoute("/datasets/$filename/rows")({
  validateSearch: (search): { after?: number; search?: string } => ({
    after: whole(search.after),
    search: words(search.search),
  }),
  component: Rows,
});
