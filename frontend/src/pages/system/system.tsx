import { useQuery } from "@tanstack/react-query";
import type { System as Told } from "../../api/schema";
import { text } from "../../text";
import { Tag } from "../../ui/card";
import { Missing } from "../../ui/missing";
import { Page, Section } from "../../ui/page";
import { Table } from "../../ui/table";
import { Keys } from "./keys";
import { Now } from "./now";
import { system, use } from "./queries";
import { Storage } from "./storage";
import classes from "./system.module.css";

const words = text.system;

export function System() {
  const found = useQuery(system);
  const now = useQuery(use);
  return (
    <Page title={words.title} about={words.about}>
      {found.data ? (
        <>
          <Section title={words.now.title}>
            <Now hardware={found.data.hardware} use={now.data ?? found.data.use} />
          </Section>
          <Section title={words.providers.title}>
            <Providers providers={found.data.providers} />
          </Section>
          <Section title={words.storage.title}>
            <Storage storage={found.data.storage} home={found.data.home} />
          </Section>
        </>
      ) : (
        <Missing of={found} lines={6} />
      )}
      <Section title={words.keys.title}>
        <p className={classes.about}>{words.keys.about}</p>
        <Keys />
      </Section>
      {found.data && (
        <Section title={words.versions.title}>
          <Versions told={found.data} />
        </Section>
      )}
    </Page>
  );
}

function Providers({ providers }: { providers: Told["providers"] }) {
  return (
    <Table label={words.providers.title}>
      <thead>
        <tr>
          <th scope="col">{words.providers.name}</th>
          <th scope="col">{words.providers.state}</th>
          <th scope="col">{words.providers.why}</th>
        </tr>
      </thead>
      <tbody>
        {providers.map((each) => (
          <tr key={each.name}>
            <th scope="row">{text.newRun.providers[each.name] ?? each.name}</th>
            <td>
              <Tag kind={each.ready ? "good" : "warn"}>
                {each.ready ? words.providers.ready : words.providers.missing}
              </Tag>
            </td>
            <td>{each.reason ?? words.providers.nothing}</td>
          </tr>
        ))}
      </tbody>
    </Table>
  );
}

function Versions({ told }: { told: Told }) {
  return (
    <Table label={words.versions.title}>
      <thead>
        <tr>
          <th scope="col">{words.versions.name}</th>
          <th scope="col">{words.versions.version}</th>
          <th scope="col">{words.versions.needs}</th>
        </tr>
      </thead>
      <tbody>
        <tr>
          <th scope="row">{words.versions.modelforge}</th>
          <td>{told.version}</td>
          <td>–</td>
        </tr>
        <tr>
          <th scope="row">{words.versions.python}</th>
          <td>{told.python}</td>
          <td>–</td>
        </tr>
        {told.packages.map((each) => (
          <tr key={each.name}>
            <th scope="row">
              {each.name} {each.optional && <Tag>{words.versions.optional}</Tag>}
            </th>
            <td>
              {each.version ?? words.versions.none}
              {each.advice && <span className={classes.note}>{each.advice}</span>}
            </td>
            <td>{each.needs ?? "–"}</td>
          </tr>
        ))}
      </tbody>
    </Table>
  );
}
