import { Button, Modal, TextInput, VisuallyHidden } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, body } from "../../api/client";
import { keepKey } from "../../api/key";
import type { ApiKey, ApiKeyCreated } from "../../api/schema";
import { say, tell } from "../../shell/notices";
import { text } from "../../text";
import { Ask } from "../../ui/ask";
import { Empty, Tag } from "../../ui/card";
import { Code } from "../../ui/code";
import { moment } from "../../ui/format";
import { Missing } from "../../ui/missing";
import { Table } from "../../ui/table";
import { keys } from "./queries";
import classes from "./system.module.css";

const words = text.system.keys;

/** Who may ask: keys are made, shown once and revoked. */
export function Keys() {
  const queries = useQueryClient();
  const found = useQuery(keys);
  const [name, setName] = useState("");
  const [made, setMade] = useState<ApiKeyCreated | null>(null);
  const [going, setGoing] = useState<ApiKey | null>(null);
  const refresh = () => queries.invalidateQueries(keys);

  const create = useMutation({
    mutationFn: () => body(api.POST("/api/keys", { body: { name: name.trim() || null } })),
    onSuccess: (created) => {
      // From the first key on the server wants one of this page, too.
      if (found.data?.keys.every((each) => each.revoked_at !== null)) keepKey(created.key);
      setMade(created);
      setName("");
    },
    onError: tell,
    onSettled: refresh,
  });
  const revoke = useMutation({
    mutationFn: ({ id }: ApiKey) =>
      body(api.DELETE("/api/keys/{key_id}", { params: { path: { key_id: id } } })),
    onSuccess: ({ message }) => {
      setGoing(null);
      say(message);
    },
    onError: tell,
    onSettled: refresh,
  });

  if (!found.data) return <Missing of={found} />;
  return (
    <div className={classes.part}>
      {found.data.keys.length === 0 ? (
        <Empty title={words.none.title} detail={words.none.detail} />
      ) : (
        <Table label={words.title}>
          <thead>
            <tr>
              <th scope="col">{words.name}</th>
              <th scope="col">{words.begins}</th>
              <th scope="col">{words.created}</th>
              <th scope="col">{words.state}</th>
              <th scope="col">
                <VisuallyHidden>{words.revoke}</VisuallyHidden>
              </th>
            </tr>
          </thead>
          <tbody>
            {found.data.keys.map((each) => (
              <tr key={each.id}>
                <th scope="row">{each.name ?? words.unnamed}</th>
                <td>
                  <code>{each.prefix}…</code>
                </td>
                <td>{moment(each.created_at)}</td>
                <td>
                  {each.revoked_at === null ? (
                    <Tag kind="good">{words.valid}</Tag>
                  ) : (
                    <Tag>{words.revoked(moment(each.revoked_at))}</Tag>
                  )}
                </td>
                <td>
                  {each.revoked_at === null && (
                    <Button
                      size="compact-sm"
                      variant="default"
                      aria-label={words.revokeOf(each.name ?? each.prefix)}
                      onClick={() => setGoing(each)}
                    >
                      {words.revoke}
                    </Button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </Table>
      )}
      <form
        className={classes.line}
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          create.mutate();
        }}
      >
        <TextInput
          label={words.newName}
          placeholder={words.example}
          maxLength={128}
          autoComplete="off"
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <Button type="submit" loading={create.isPending}>
          {words.create}
        </Button>
      </form>
      <Modal
        opened={made !== null}
        onClose={() => setMade(null)}
        title={words.made}
        size="lg"
        // It is told this once: a click beside it must not lose it.
        closeOnClickOutside={false}
        closeOnEscape={false}
        closeButtonProps={{ "aria-label": text.shell.dismiss }}
      >
        {made && (
          <>
            <p>{made.message}</p>
            <Code label={words.made}>{made.key}</Code>
            <Button mt="md" onClick={() => setMade(null)}>
              {words.kept}
            </Button>
          </>
        )}
      </Modal>
      <Ask
        opened={going !== null}
        title={words.revokeOf(going?.name ?? going?.prefix ?? "")}
        action={words.revoke}
        busy={revoke.isPending}
        onClose={() => setGoing(null)}
        onConfirm={() => going && revoke.mutate(going)}
      >
        <p>{words.revokeDetail}</p>
      </Ask>
    </div>
  );
}
