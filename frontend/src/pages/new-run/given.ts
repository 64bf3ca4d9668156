import { getRouteApi } from "@tanstack/react-router";
import { useTyped } from "../../ui/typed";
import { type Given, same } from "./fields";

const route = getRouteApi("/new");

/** The request that is being put together. It lies in the page's address: reload, back and a copied link keep it. */
export function useGiven(): [Given, (given: Given) => void] {
  const navigate = route.useNavigate();
  return useTyped<Given>(
    route.useSearch(),
    (given) => void navigate({ search: given, replace: true, resetScroll: false }),
    same,
  );
}
