import { VisuallyHidden } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { contract } from "../../api/contract";
import { text } from "../../text";
import { Missing } from "../../ui/missing";
import { useConversation } from "./conversation";
import { ContextForm, PromptForm } from "./forms";
import classes from "./playground.module.css";
import { Sampling, useSampling } from "./sampling";
import type { Side, Task } from "./sides";
import { Suggestions } from "./suggestions";
import { TurnView } from "./turn";

/** Pixels from the end of the page within which it follows what is written. */
const NEAR = 160;

interface Props {
  name: string;
  task: Task;
  sides: readonly Side[];
  /** The training whose data has questions to begin with. */
  job?: string;
}

/** A conversation, and the form for its task. */
export function Talk({ name, task, sides, job }: Props) {
  const described = useQuery(contract);
  const { turns, busy, ask, stop, clear } = useConversation(name);
  const [chosen, setChosen] = useSampling();
  const chat = task === "text-generation";
  const { remembers, system, ...sampling } = chosen;
  const memory = chat ? { remembers, system } : {};
  const end = useFollowed(turns);
  const last = turns.at(-1);
  const words = text.playground;

  if (!described.data) return <Missing of={described} />;
  const Form = task === "extractive-question-answering" ? ContextForm : PromptForm;
  return (
    <>
      {chat && job !== undefined && turns.length === 0 && (
        <Suggestions
          job={job}
          ask={(prompt) => void ask({ prompt, context: null }, sides, sampling, memory)}
        />
      )}
      <ol className={classes.log} aria-label={words.log} aria-busy={busy}>
        {turns.map((turn) => (
          <TurnView key={turn.id} turn={turn} />
        ))}
      </ol>
      <VisuallyHidden role="status">
        {last && !busy && last.answers.map((each) => `${each.label}: ${each.text}`).join("\n")}
      </VisuallyHidden>
      <div className={classes.composer} data-kept={chat || undefined}>
        <Form
          name={name}
          task={task}
          busy={busy}
          ask={(question) => void ask(question, sides, sampling, memory)}
          stop={stop}
          again={
            last &&
            (() => void ask({ prompt: last.prompt, context: last.context }, sides, sampling, memory, last))
          }
          clear={turns.length > 0 ? clear : undefined}
        />
        {task !== "extractive-question-answering" && (
          <Sampling document={described.data} sampling={chosen} chat={chat} change={setChosen} />
        )}
      </div>
      <div ref={end} />
    </>
  );
}

/** The end of the page, which comes into sight with each new turn, and stays there unless the reader goes elsewhere. */
function useFollowed(turns: readonly unknown[]) {
  const end = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const seen = useRef(0);

  useEffect(() => {
    const look = () => {
      const { scrollHeight, clientHeight, scrollTop } = document.documentElement;
      follows.current = scrollHeight - clientHeight - scrollTop < NEAR;
    };
    addEventListener("scroll", look, { passive: true });
    return () => removeEventListener("scroll", look);
  }, []);

  useEffect(() => {
    if (turns.length > seen.current || (turns.length > 0 && follows.current)) {
      end.current?.scrollIntoView({ block: "end" });
    }
    seen.current = turns.length;
  }, [turns]);

  return end;
}
