import { createFileRoute } from "@tanstack/react-router";
import { Playground } from "../pages/playground/playground";
import type { Search } from "../pages/playground/sides";

export const Route = createFileRoute("/playground")({ validateSearch: searchOf, component: Shown });

function searchOf({ model, task, job, base, steps }: Record<string, unknown>): Search {
  return {
    ...(typeof model === "number" || typeof model === "string" ? { model } : {}),
    ...(typeof task === "string" ? { task } : {}),
    ...(typeof job === "string" ? { job } : {}),
    ...(base === true ? { base } : {}),
    ...(Array.isArray(steps) ? { steps: steps.filter(Number.isInteger) } : {}),
  };
}

function Shown() {
  return <Playground search={Route.useSearch()} />;
}
