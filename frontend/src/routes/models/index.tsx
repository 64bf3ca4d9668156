import { createFileRoute } from "@tanstack/react-router";
import { Models } from "../../pages/models/models";

export const Route = createFileRoute("/models/")({
  validateSearch: (search: Record<string, unknown>): { deleted?: number } =>
    typeof search.deleted === "number" ? { deleted: search.deleted } : {},
  component: Shown,
});

function Shown() {
  return <Models deleted={Route.useSearch().deleted} />;
}
