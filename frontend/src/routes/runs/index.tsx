import { createFileRoute } from "@tanstack/react-router";
import { type Choice, COLUMNS } from "../../pages/runs/choice";
import { Runs } from "../../pages/runs/runs";
import { text } from "../../text";

const STATES = Object.keys(text.names.states);

export const Route = createFileRoute("/runs/")({
  validateSearch: (given: Record<string, unknown>): Choice => ({
    search: given.search === undefined ? undefined : String(given.search),
    state: STATES.find((each): each is NonNullable<Choice["state"]> => each === given.state),
    sort: COLUMNS.find((each) => each === given.sort),
    up: given.up === true || undefined,
  }),
  component: () => {
    const navigate = Route.useNavigate();
    return (
      <Runs
        choice={Route.useSearch()}
        choose={(changes) =>
          // Typed words may be on their way into the address.
          void navigate({
            search: (before) => ({ ...before, ...changes }),
            replace: true,
            resetScroll: false,
          })
        }
      />
    );
  },
});
