import { useQuery } from "@tanstack/react-query";
import { newestJobs, status } from "../../api/queries";
import { ENDED } from "../../api/states";
import { text } from "../../text";
import { Missing } from "../../ui/missing";
import { Page, Section } from "../../ui/page";
import { Begin } from "./begin";
import { Now } from "./now";
import { Results } from "./results";

/** Among so many of the runs that ended is the one that can be continued. */
const LOOKED_AT = 20;

export function Home() {
  const now = useQuery({ ...status, staleTime: Infinity });
  const ended = useQuery(newestJobs(LOOKED_AT, ENDED));

  return (
    <Page title={text.home.title}>
      <Section title={text.home.now}>{now.data ? <Now status={now.data} /> : <Missing of={now} />}</Section>
      <Section title={text.home.begin}>
        <Begin jobs={ended.data ?? []} />
      </Section>
      <Section title={text.home.results}>
        {ended.data ? <Results jobs={ended.data} /> : <Missing of={ended} />}
      </Section>
    </Page>
  );
}
