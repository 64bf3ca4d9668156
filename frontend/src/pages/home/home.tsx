import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { newestJobs, OF_JOBS, status } from "../../api/queries";
import { type StreamMessage, useStream } from "../../api/stream";
import { text } from "../../text";
import { Loading } from "../../ui/loading";
import { Page, Section } from "../../ui/page";
import { Refused } from "../../ui/refused";
import { Begin } from "./begin";
import { Now } from "./now";
import { Results } from "./results";

const SHOWN = 20;

export function Home() {
  const queries = useQueryClient();
  const now = useQuery({ ...status, staleTime: Infinity });
  const jobs = useQuery(newestJobs(SHOWN));

  useStream(
    useCallback(
      (message: StreamMessage) => {
        const before = queries.getQueryData(status.queryKey);
        queries.setQueryData(status.queryKey, message);
        if (before?.status !== message.status || before.job_id !== message.job_id) {
          for (const queryKey of OF_JOBS) void queries.invalidateQueries({ queryKey });
        }
      },
      [queries],
    ),
  );

  return (
    <Page title={text.home.title}>
      <Section title={text.home.now}>
        {now.isError ? (
          <Refused error={now.error} retry={now.refetch} />
        ) : now.data ? (
          <Now status={now.data} jobs={jobs.data?.jobs ?? []} />
        ) : (
          <Loading />
        )}
      </Section>
      <Section title={text.home.begin}>
        <Begin jobs={jobs.data?.jobs ?? []} />
      </Section>
      <Section title={text.home.results}>
        {jobs.isError ? (
          <Refused error={jobs.error} retry={jobs.refetch} />
        ) : jobs.data ? (
          <Results jobs={jobs.data.jobs} />
        ) : (
          <Loading />
        )}
      </Section>
    </Page>
  );
}
