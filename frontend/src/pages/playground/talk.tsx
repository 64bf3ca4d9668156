import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { contract } from "../../api/contract";
import { text } from "../../text";
import { Loading } from "../../ui/loading";
import { Refused } from "../../ui/refused";
import { useConversation } from "./conversation";
import { ContextForm, PromptForm } from "./forms";
import classes from "./playground.module.css";
import { Sampling, useSampling } from "./sampling";
import type { Side, Task } from "./sides";
import { TurnView } from "./turn";

/** Pixels from the end of the page within which it follows what is written. */
const NEAR = 160;

/** A conversation, and the form for its task. */
export function Talk({ name, task, sides }: { name: string; task: Task; sides: readonly Side[] }) {
  const described = useQuery(contract);
  const { turns, busy, ask, stop, forget, clear } = useConversation(name);
  const [sampling, setSampling] = useSampling();
  const end = useFollowed(turns);
  const last = turns.at(-1);
  const words = text.playground;

  if (described.isError) return <Refused error={described.error} retry={described.refetch} />;
  if (!described.data) return <Loading />;
  const Form = task === "extractive-question-answering" ? ContextForm : PromptForm;
  return (
    <>
      <ol className={classes.log} aria-label={words.log} aria-busy={busy}>
        {turns.map((turn) => (
          <TurnView key={turn.id} turn={turn} />
        ))}
      </ol>
      <div className={classes.composer}>
        <Form
          name={name}
          task={task}
          busy={busy}
          ask={(question) => void ask(question, sides, sampling)}
          stop={stop}
          again={
            last &&
            (() => {
              forget(last);
              void ask(last, sides, sampling);
            })
          }
          clear={turns.length > 0 ? clear : undefined}
        />
        {task !== "extractive-question-answering" && (
          <Sampling document={described.data} sampling={sampling} change={setSampling} />
        )}
      </div>
      <div ref={end} />
    </>
  );
}

/** The end of the page, which stays in sight while `content` grows, unless the reader went elsewhere. */
function useFollowed(content: unknown) {
  const end = useRef<HTMLDivElement>(null);
  const follows = useRef(true);

  useEffect(() => {
    const look = () => {
      const { scrollHeight, clientHeight, scrollTop } = document.documentElement;
      follows.current = scrollHeight - clientHeight - scrollTop < NEAR;
    };
    addEventListener("scroll", look, { passive: true });
    return () => removeEventListener("scroll", look);
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: it is what grows
  useEffect(() => {
    if (follows.current) end.current?.scrollIntoView({ block: "end" });
  }, [content]);

  return end;
}
