import { createFileRoute } from "@tanstack/react-router";
import { Versions } from "../../../pages/datasets/versions";
import { whole } from "../../../ui/search";

export const Route = createFileRoute("/datasets/$filename/versions")({
  validateSearch: (search): { from?: number; to?: number } => ({
    from: whole(search.from),
    to: whole(search.to),
  }),
  component: Versions,
});
