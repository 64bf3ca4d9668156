import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useLocation, useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { api, body } from "../../api/client";
import { catalogue, datasets } from "../../api/queries";
import type { DatasetDetail } from "../../api/schema";
import { say, tell } from "../../shell/notices";
import { text } from "../../text";
import { Ask } from "../../ui/ask";
import { Missing } from "../../ui/missing";
import { Page } from "../../ui/page";
import { useDatasetAddress } from "./address";
import classes from "./dataset.module.css";
import { detail, versions } from "./queries";

const words = text.datasets;

const TABS = [
  ["/datasets/$filename", words.tabs.report],
  ["/datasets/$filename/rows", words.tabs.rows],
  ["/datasets/$filename/closer", words.tabs.closer],
  ["/datasets/$filename/preview", words.tabs.preview],
  ["/datasets/$filename/columns", words.tabs.columns],
  ["/datasets/$filename/versions", words.tabs.versions],
] as const;

/** One dataset: what stands around its parts. */
export function Dataset() {
  const { filename, version } = useDatasetAddress();
  const found = useQuery(detail(filename, version));
  const newest = useQuery(versions(filename)).data?.versions.at(-1)?.version;
  const old = version !== undefined && newest !== undefined && version !== newest;

  const tabs = useRef<HTMLElement>(null);
  const path = useLocation({ select: (location) => location.pathname });

  // On a phone the row of tabs is wider than the page.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another path is another tab
  useEffect(() => {
    tabs.current
      ?.querySelector("[aria-current=page]")
      ?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [path]);

  return (
    <Page
      title={filename}
      above={<Link to="/datasets">← {words.title}</Link>}
      about={
        found.data &&
        `${words.version(found.data.version)} · ${words.usable(found.data.num_examples, found.data.validation.num_rows, found.data.shape !== null)}`
      }
      actions={
        <>
          <Train dataset={found.data} version={old ? version : undefined} />
          <Remove filename={filename} />
        </>
      }
    >
      {old && (
        <p className={classes.old}>
          {words.old(version)}{" "}
          <Link to="." search={(before) => ({ ...before, version: undefined })}>
            {words.toNewest}
          </Link>
        </p>
      )}
      <nav ref={tabs} className={classes.tabs} aria-label={words.tabs.label}>
        {TABS.map(([to, label]) => (
          <Link
            key={to}
            to={to}
            params={{ filename }}
            search={{ version }}
            className={classes.tab}
            activeOptions={{ exact: true, includeSearch: false }}
          >
            {label}
          </Link>
        ))}
      </nav>
      {found.data ? <Outlet /> : <Missing of={found} lines={5} />}
    </Page>
  );
}

/** To a run that learns from it, or from an older version; of what its rows can teach, the usual. */
function Train({ dataset, version }: { dataset: DatasetDetail | undefined; version: number | undefined }) {
  const shapes = useQuery(catalogue).data?.shapes;
  if (dataset === undefined || !shapes?.some((each) => each.name === dataset.shape)) return null;
  return (
    <Button
      size="xs"
      renderRoot={(props) => (
        <Link
          to="/new"
          search={{ dataset: dataset.filename, dataset_version: version, preset: "balanced" }}
          {...props}
        />
      )}
    >
      {words.train}
    </Button>
  );
}

function Remove({ filename }: { filename: string }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [asked, setAsked] = useState(false);
  const remove = useMutation({
    mutationFn: () => body(api.DELETE("/api/datasets/{filename}", { params: { path: { filename } } })),
    onSuccess: async () => {
      await navigate({ to: "/datasets" });
      queries.removeQueries({ queryKey: ["dataset", filename] });
      await queries.invalidateQueries({ queryKey: datasets.queryKey });
      say(words.remove.done(filename));
    },
    onError: tell,
  });
  return (
    <>
      <Button size="xs" variant="default" onClick={() => setAsked(true)}>
        {words.remove.action}
      </Button>
      <Ask
        opened={asked}
        title={words.remove.title(filename)}
        action={words.remove.confirm}
        busy={remove.isPending}
        onClose={() => setAsked(false)}
        onConfirm={() => remove.mutate()}
      >
        <p>{words.remove.detail}</p>
      </Ask>
    </>
  );
}
