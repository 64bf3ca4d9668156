import { Button, Checkbox, TextInput, VisuallyHidden } from "@mantine/core";
import { IconPencil } from "@tabler/icons-react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { DatasetRows } from "../../api/schema";
import { text } from "../../text";
import { Empty } from "../../ui/card";
import { Missing } from "../../ui/missing";
import { Refused } from "../../ui/refused";
import { Table } from "../../ui/table";
import { useTyped } from "../../ui/typed";
import { useDatasetAddress } from "./address";
import { EditRow } from "./edit-row";
import { type Editing, useEditing } from "./editing";
import { rows, versions } from "./queries";
import classes from "./rows.module.css";
import { Folded } from "./value";

const words = text.datasets.list;
const here = getRouteApi("/datasets/$filename/rows");
const PAGE = 50;

/** The rows of a dataset, by their lines, or those in which something stands. */
export function Rows() {
  const { filename, version } = useDatasetAddress();
  const { after = 0, search, edit } = here.useSearch();
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

  const close = () =>
    void navigate({
      search: (before) => ({ ...before, edit: undefined }),
      replace: true,
      resetScroll: false,
    });
  const work = useEditing(filename, close);
  const newest = useQuery(versions(filename)).data?.versions.at(-1)?.version;
  const open = found.data !== undefined && found.data.version === newest;
  const fields = [...new Set(found.data?.rows.flatMap((each) => Object.keys(each.value ?? {})))];

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
            <Records
              // What is chosen is of what is shown.
              key={`${found.data.version} ${after} ${search}`}
              page={found.data}
              fields={fields}
              open={open}
              work={work}
            />
          ) : (
            found.data.next_offset === null && <Empty {...(search ? words.none : words.empty)} />
          )}
          {search && found.data.next_offset !== null && found.data.rows.length < PAGE && (
            <p role="status">{words.soFar(found.data.searched_to)}</p>
          )}
          <Paging page={found.data} after={after} searching={search !== undefined} go={go} />
          {work.error && edit === undefined && <Refused error={work.error} />}
          {open && (
            <EditRow
              filename={filename}
              version={found.data.version}
              row={edit}
              fields={fields}
              work={work}
              close={() => {
                work.forget();
                close();
              }}
            />
          )}
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

interface RecordsProps {
  page: DatasetRows;
  fields: readonly string[];
  /** Whether it is the newest version, the one that can be changed. */
  open: boolean;
  work: Editing;
}

function Records({ page, fields, open, work }: RecordsProps) {
  const [chosen, setChosen] = useState<readonly number[]>([]);
  return (
    <>
      <Table label={text.datasets.tabs.rows}>
        <thead>
          <tr>
            {open && (
              <th scope="col" className={classes.narrow}>
                <VisuallyHidden>{words.changeAndChoose}</VisuallyHidden>
              </th>
            )}
            <th scope="col" data-number className={classes.narrow}>
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
          {page.rows.map((each) => (
            <tr key={each.row} data-bad={each.problems.length > 0 || undefined} className={classes.record}>
              {open && (
                <td>
                  <div className={classes.tools}>
                    <Checkbox
                      size="xs"
                      aria-label={words.choose(each.row)}
                      checked={chosen.includes(each.row)}
                      onChange={({ target }) =>
                        setChosen(
                          target.checked ? [...chosen, each.row] : chosen.filter((row) => row !== each.row),
                        )
                      }
                    />
                    <Link
                      from="/datasets/$filename/rows"
                      to="."
                      search={(before) => ({ ...before, edit: each.row })}
                      resetScroll={false}
                      aria-label={words.edit(each.row)}
                      title={words.edit(each.row)}
                    >
                      <IconPencil size={16} stroke={1.7} aria-hidden />
                    </Link>
                  </div>
                </td>
              )}
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
      {chosen.length > 0 && (
        <div className={classes.chosen}>
          {words.chosen(chosen.length)}
          <Button
            size="xs"
            variant="default"
            loading={work.busy}
            onClick={() => work.edit({ version: page.version, deletes: [...chosen] })}
          >
            {words.remove}
          </Button>
        </div>
      )}
    </>
  );
}

function Cell({ value }: { value: unknown }) {
  return (
    <div className={classes.cell}>
      <Folded value={value} />
    </div>
  );
}

function Problems({ problems }: { problems: readonly string[] }) {
  return problems.map((each) => (
    <div key={each} className={classes.problem}>
      {each}
    </div>
  ));
}
