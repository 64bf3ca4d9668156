import { Autocomplete } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { models } from "../api/queries";

/** The model that comes with ModelForge. */
export const STARTER = "modelforge-starter";

interface Props {
  label: string;
  description?: string;
  placeholder?: string;
  required?: boolean;
  value: string;
  onChange: (value: string) => void;
}

/** A model by its name: those that are here are offered, any other can be written. */
export function ModelInput(props: Props) {
  const known = useQuery(models);
  const names = [STARTER, ...(known.data?.models.map((each) => each.name).reverse() ?? [])];
  return <Autocomplete {...props} data={names} />;
}
