import { createFileRoute } from "@tanstack/react-router";
import { Report } from "../../../pages/datasets/report";

export const Route = createFileRoute("/datasets/$filename/")({ component: Report });
