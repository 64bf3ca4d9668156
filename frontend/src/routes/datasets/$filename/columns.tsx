import { createFileRoute } from "@tanstack/react-router";
import { Columns } from "../../../pages/datasets/columns";

export const Route = createFileRoute("/datasets/$filename/columns")({ component: Columns });
