import { useQuery } from "@tanstack/react-query";
import { useLiveJobs } from "../../api/live";
import { newestJobs, status } from "../../api/queries";
import { text } from "../../text";
import { Missing } from "../../ui/missing";
import { Page, Section } from "../../ui/page";
import { Begin } from "./begin";
import { Now } from "./now";
import { Results } from "./results";

const SHOWN = 20;

export function Home() {
  const now = useQuery({ ...status, staleTime: Infinity });
  const jobs = useQuery(newestJobs(SHOWN));

  useLiveJobs();

  return (
    <Page title={text.home.title}>
      <Section title={text.home.now}>
        {now.data ? <Now status={now.data} jobs={jobs.data?.jobs ?? []} /> : <Missing of={now} />}
      </Section>
      <Section title={text.home.begin}>
        <Begin jobs={jobs.data?.jobs ?? []} />
      </Section>
      <Section title={text.home.results}>
        {jobs.data ? <Results jobs={jobs.data.jobs} /> : <Missing of={jobs} />}
      </Section>
    </Page>
  );
}
