import { createFileRoute } from "@tanstack/react-router";
import { DatasetList } from "../../pages/datasets/list";

export const Route = createFileRoute("/datasets/")({ component: DatasetList });
