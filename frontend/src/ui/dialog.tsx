import { Modal } from "@mantine/core";
import type { ReactNode } from "react";
import { text } from "../text";

interface Props {
  title: ReactNode;
  opened: boolean;
  onClose: () => void;
  size?: "md" | "lg";
  children: ReactNode;
}

/** Something over the page that is done, or left, before the page goes on. */
export function Dialog(props: Props) {
  return (
    <Modal
      {...props}
      closeButtonProps={{ "aria-label": text.shell.dismiss }}
      // Mantine's is a <header>, of which a page has one already.
      attributes={{ header: { role: "presentation" } }}
    />
  );
}
