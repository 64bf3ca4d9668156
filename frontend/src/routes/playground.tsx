import { createFileRoute } from "@tanstack/react-router";
import { Playground } from "../pages/playground/playground";
import type { Search } from "../pages/playground/sides";

export const Route = createFileRoute("/playground")({ validateSearch: searchOf, component: Shown });

function searchOf({ model, task, base }: Record<string, unknown>): Search {
  return {
    ...(typeof model === "number" || typeof model === "string" ? { model } : {}),
    ...(typeof task === "string" ? { task } : {}),
    ...(base === true ? { base } : {}),
  };
}

function Shown() {
  return <Playground search={Route.useSearch()} />;
}
