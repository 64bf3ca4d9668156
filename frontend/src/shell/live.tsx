import { useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { useEffect } from "react";
import { useLiveJobs } from "../api/live";
import { useStreamIsLost } from "../api/stream";
import { text } from "../text";
import classes from "./shell.module.css";

/** Keeps the page as the server is; says when it is gone, and asks again for what failed meanwhile when it is back. */
export function Live() {
  const lost = useStreamIsLost();
  const queries = useQueryClient();
  const router = useRouter();
  useLiveJobs();

  useEffect(() => {
    if (lost) return;
    void queries.refetchQueries({ predicate: ({ state }) => state.status === "error" });
    if (router.state.matches.some(({ status }) => status === "error")) void router.invalidate();
  }, [lost, queries, router]);

  if (!lost) return null;
  return (
    <p role="status" className={classes.lost}>
      {text.shell.lost}
    </p>
  );
}
