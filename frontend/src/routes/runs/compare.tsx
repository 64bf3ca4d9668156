import { createFileRoute } from "@tanstack/react-router";
import { chartLookOf } from "../../curves/look";
import { Compare, type Search } from "../../pages/runs/compare";

export const Route = createFileRoute("/runs/compare")({
  validateSearch: (given: Record<string, unknown>): Search => ({
    ids: typeof given.ids === "string" ? given.ids : undefined,
    measure: typeof given.measure === "string" ? given.measure : undefined,
    ...chartLookOf(given),
  }),
  component: () => {
    const navigate = Route.useNavigate();
    const search = Route.useSearch();
    return (
      <Compare
        search={search}
        change={(changes) =>
          void navigate({ search: { ...search, ...changes }, replace: true, resetScroll: false })
        }
      />
    );
  },
});
