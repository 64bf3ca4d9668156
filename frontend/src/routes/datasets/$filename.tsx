import { createFileRoute } from "@tanstack/react-router";
import { Dataset } from "../../pages/datasets/dataset";
import { whole } from "../../ui/search";

export const Route = createFileRoute("/datasets/$filename")({
  validateSearch: (search): { version?: number } => ({ version: whole(search.version) }),
  component: Dataset,
});
