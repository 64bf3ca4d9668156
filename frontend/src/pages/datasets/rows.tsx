import { Button, TextInput } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import type { DatasetRecord, DatasetRows } from "../../api/schema";
import { text } from "../../text";
import { Empty } from "../../ui/card";
import { Missing } from "../../ui/missing";
import { Table } from "../../ui/table";
import { useTyped } from "../../ui/typed";
import { useDatasetAddress } from "./address";
import { rows } from "./queries";
import classes from "./rows.module.css";
import { shown } from "./value";

const words = text.datasets.list;
const here = getRouteApi("/datasets/$filename/rows");
const PAGE = 50;

/** The rows of a dataset, by their lines, or those in which something stands. */
export function Rows() {
  const { filename, version } = useDatasetAddress();
  const { after = 0, search } = here.useSearch();
  const navigate = useNavigate({ from: "/datasets/$filename/rows" });
  const [typed, setTyped] = useTyped(search ?? "", (text) =>
    navigate({
      search: (before) => ({ ...before, search: text.trim() || undefined, after: undefined }),
      replace: true,
    }),
  );
  const found = useQuery({
    ...rows(filename, version, { offset: after, limit: PAGE, search }),
    placeholderData: keepPreviousData,
  });

  const go = (offset: number) =>
    navigate({ search: (before) => ({ ...before, after: offset || undefined }) });

  return (
    <>
      <div className={classes.head}>
        <TextInput
          type="search"
          label={words.search}
          placeholder={words.placeholder}
          className={classes.search}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
        />
        {found.data && <span className={classes.total}>{words.of(found.data.num_rows)}</span>}
      </div>
      {!found.data ? (
        <Missing of={found} lines={8} />
      ) : (
        <div aria-busy={found.isFetching} className={classes.found}>
          {found.data.rows.length > 0 ? (
            <Records records={found.data.rows} />
          ) : (
            found.data.next_offset === null && <Empty {...(search ? words.none : words.empty)} />
          )}
          {search && found.data.next_offset !== null && found.data.rows.length < PAGE && (
            <p role="status">{words.soFar(found.data.searched_to)}</p>
          )}
          <Paging page={found.data} after={after} searching={search !== undefined} go={go} />
        </div>
      )}
    </>
  );
}

interface PagingProps {
  page: DatasetRows;
  after: number;
  searching: boolean;
  go: (offset: number) => unknown;
}

function Paging({ page, after, searching, go }: PagingProps) {
  const next = page.next_offset;
  return (
    <nav className={classes.paging} aria-label={words.paging}>
      <Button size="xs" variant="default" disabled={after === 0} onClick={() => go(0)}>
        {words.first}
      </Button>
      {!searching && (
        <Button
          size="xs"
          variant="default"
          disabled={after === 0}
          onClick={() => go(Math.max(0, after - PAGE))}
        >
          {words.previous}
        </Button>
      )}
      <Button size="xs" variant="default" disabled={next === null} onClick={() => next !== null && go(next)}>
        {searching && page.rows.length < PAGE && next !== null ? words.onward : words.next}
      </Button>
    </nav>
  );
}

function Records({ records }: { records: readonly DatasetRecord[] }) {
  const fields = [...new Set(records.flatMap((each) => Object.keys(each.value ?? {})))];
  return (
    <Table label={text.datasets.tabs.rows}>
      <thead>
        <tr>
          <th scope="col" data-number>
            {words.row}
          </th>
          {fields.map((field) => (
            <th key={field} scope="col">
              {field}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {records.map((each) => (
          <tr key={each.row} data-bad={each.problems.length > 0 || undefined} className={classes.record}>
            <th scope="row" data-number>
              {each.row}
            </th>
            {each.value === null ? (
              <td colSpan={fields.length || 1}>
                <Cell value={each.text} />
                <Problems problems={each.problems} />
              </td>
            ) : (
              fields.map((field, index) => (
                <td key={field}>
                  {each.value && field in each.value && <Cell value={each.value[field]} />}
                  {index === 0 && <Problems problems={each.problems} />}
                </td>
              ))
            )}
          </tr>
        ))}
      </tbody>
    </Table>
  );
}

const LONG = 240;

/** Long texts are folded until they are asked for. */
function Cell({ value }: { value: unknown }) {
  const whole = shown(value);
  if (whole.length <= LONG) return <div className={classes.cell}>{whole}</div>;
  return (
    <details className={classes.cell}>
      <summary>
        <span>{whole.slice(0, LONG)}…</span>
      </summary>
      {whole}
    </details>
  );
}

function Problems({ problems }: { problems: readonly string[] }) {
  return problems.map((each) => (
    <div key={each} className={classes.problem}>
      {each}
    </div>
  ));
}
