import { createFileRoute } from "@tanstack/react-router";
import { System } from "../pages/system/system";

export const Route = createFileRoute("/system")({ component: System });
