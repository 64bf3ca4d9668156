import { getRouteApi } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTyped } from "../../ui/typed";
import { type Field, type Given, givenOf, same } from "./fields";

const route = getRouteApi("/new");

/** The request that is being put together. It lies in the page's address: reload, back and a copied link keep it. */
export function useGiven(fields: readonly Field[]): [Given, (given: Given) => void] {
  const navigate = route.useNavigate();
  const address = route.useSearch();
  return useTyped<Given>(
    useMemo(() => givenOf(address, fields), [address, fields]),
    (given) => void navigate({ search: given, replace: true, resetScroll: false }),
    same,
  );
}
