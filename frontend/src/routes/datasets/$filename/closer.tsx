import { createFileRoute } from "@tanstack/react-router";
import { Closer } from "../../../pages/datasets/closer";

export const Route = createFileRoute("/datasets/$filename/closer")({ component: Closer });
