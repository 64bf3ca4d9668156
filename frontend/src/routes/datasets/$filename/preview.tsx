import { createFileRoute } from "@tanstack/react-router";
import { Preview } from "../../../pages/datasets/preview";
import { whole, words } from "../../../ui/search";

export const Route = createFileRoute("/datasets/$filename/preview")({
  validateSearch: (search): { model?: string; line?: number; task?: string } => ({
    model: words(search.model),
    line: whole(search.line),
    task: words(search.task),
  }),
  component: Preview,
});
