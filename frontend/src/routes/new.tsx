import { createFileRoute, redirect } from "@tanstack/react-router";
import { api, body } from "../api/client";
import { contract } from "../api/contract";
import { catalogue, datasets } from "../api/queries";
import { fieldsOf, settingsOf } from "../pages/new-run/fields";
import { NewRun } from "../pages/new-run/new-run";

/** What a form that nobody has filled in begins with. */
const BEGIN = { preset: "balanced" };

export const Route = createFileRoute("/new")({
  /** The request, which the page reads by the fields that there are; or `from`, the job whose settings it begins with. */
  validateSearch: (raw: Record<string, unknown>) => raw,
  beforeLoad: async ({ search, context }) => {
    if (Object.keys(search).length === 0) throw redirect({ to: "/new", search: BEGIN, replace: true });
    if (search.from === undefined) return;
    const fields = fieldsOf(await context.queries.ensureQueryData(contract));
    const job = await body(
      api.GET("/api/jobs/{job_id}", { params: { path: { job_id: String(search.from) } } }),
    );
    throw redirect({ to: "/new", search: settingsOf(job.config, fields), replace: true });
  },
  loader: ({ context: { queries } }) =>
    Promise.all([
      queries.ensureQueryData(contract),
      queries.ensureQueryData(catalogue),
      queries.ensureQueryData(datasets),
    ]),
  component: NewRun,
});
