import { createFileRoute } from "@tanstack/react-router";
import { Rows } from "../../../pages/datasets/rows";
import { whole, words } from "../../../ui/search";

export const Route = createFileRoute("/datasets/$filename/rows")({
  validateSearch: (search): { after?: number; search?: string; edit?: number } => ({
    after: whole(search.after),
    search: words(search.search),
    edit: whole(search.edit),
  }),
  component: Rows,
});
