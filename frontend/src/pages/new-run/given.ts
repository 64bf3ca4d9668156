import { getRouteApi } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { type Given, same } from "./fields";

const WRITE_MS = 200;
const route = getRouteApi("/new");

/** The request that is being put together. It lies in the page's address: reload, back and a copied link keep it. */
export function useGiven(): [Given, (given: Given) => void] {
  const address = route.useSearch();
  const navigate = route.useNavigate();
  const [given, setGiven] = useState<Given>(address);
  const written = useRef<Given>(address);

  // An address that was not written here: back, forward, or a link to this page.
  useEffect(() => {
    if (same(address, written.current)) return;
    written.current = address;
    setGiven(address);
  }, [address]);

  useEffect(() => {
    if (same(given, written.current)) return;
    const timer = setTimeout(() => {
      written.current = given;
      void navigate({ search: given, replace: true, resetScroll: false });
    }, WRITE_MS);
    return () => clearTimeout(timer);
  }, [given, navigate]);

  return [given, setGiven];
}
