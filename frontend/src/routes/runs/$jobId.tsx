import { createFileRoute } from "@tanstack/react-router";
import { chartLookOf } from "../../curves/look";
import { type Look, Run, VIEWS } from "../../pages/run/run";

export const Route = createFileRoute("/runs/$jobId")({
  validateSearch: (given: Record<string, unknown>): Look => ({
    view: VIEWS.find((each) => each === given.view),
    find: given.find === undefined ? undefined : String(given.find),
    ...chartLookOf(given),
  }),
  component: () => {
    const navigate = Route.useNavigate();
    const { jobId } = Route.useParams();
    const look = Route.useSearch();
    return (
      <Run
        key={jobId}
        id={jobId}
        look={look}
        change={(changes) =>
          void navigate({ search: { ...look, ...changes }, replace: true, resetScroll: false })
        }
      />
    );
  },
});
