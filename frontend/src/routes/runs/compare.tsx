import { createFileRoute } from "@tanstack/react-router";
import { Compare } from "../../pages/runs/compare";

interface Search {
  /** Ids, with commas between them. */
  ids?: string;
  measure?: string;
  log?: boolean;
  smooth?: number;
}

export const Route = createFileRoute("/runs/compare")({
  validateSearch: (given: Record<string, unknown>): Search => ({
    ids: typeof given.ids === "string" ? given.ids : undefined,
    measure: typeof given.measure === "string" ? given.measure : undefined,
    log: given.log === true || undefined,
    smooth: typeof given.smooth === "number" ? given.smooth : undefined,
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
