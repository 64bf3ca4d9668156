import { ActionIcon } from "@mantine/core";
import { IconMenu2, IconX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useRouter, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useKeyIsAsked } from "../api/key";
import { info } from "../api/queries";
import { root } from "../api/root";
import { text } from "../text";
import { Refused } from "../ui/refused";
import icon from "./icon.svg";
import { KeyPage } from "./key-page";
import { Live } from "./live";
import { PLACES } from "./navigation";
import { Notices } from "./notices";
import { SchemeChoice } from "./scheme";
import classes from "./shell.module.css";

/** What stands around every page. */
export function Shell() {
  const asked = useKeyIsAsked();
  const server = useQuery(info);
  const path = useRouterState({ select: (state) => state.location.pathname });
  const [open, setOpen] = useState(false);
  const menu = useRef<HTMLButtonElement>(null);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new page closes the menu
  useEffect(() => setOpen(false), [path]);

  useEffect(() => {
    if (!open) return;
    const close = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      setOpen(false);
      menu.current?.focus();
    };
    window.addEventListener("keydown", close);
    return () => window.removeEventListener("keydown", close);
  }, [open]);

  return (
    <div className={classes.shell}>
      <a className={classes.skip} href="#content">
        {text.shell.skip}
      </a>
      <header className={classes.side} data-open={open || undefined}>
        <div className={classes.top}>
          <Link to="/" className={classes.brand}>
            <img src={icon} alt="" width={28} height={28} />
            {text.shell.name}
          </Link>
          <ActionIcon
            ref={menu}
            className={classes.menu}
            variant="subtle"
            size={44}
            aria-label={text.shell.menu}
            aria-expanded={open}
            aria-controls="navigation"
            onClick={() => setOpen(!open)}
          >
            {open ? <IconX size={20} /> : <IconMenu2 size={20} />}
          </ActionIcon>
        </div>
        <div id="navigation" className={classes.navigation}>
          <Navigation />
          <div className={classes.foot}>
            <SchemeChoice />
            <a href={`${root}/docs`}>{text.shell.apiDocs}</a>
          </div>
        </div>
      </header>
      <main id="content" tabIndex={-1} className={classes.content}>
        {!asked && <Live />}
        {asked ? (
          <KeyPage />
        ) : server.isError ? (
          <Refused error={server.error} retry={server.refetch} />
        ) : (
          <Outlet />
        )}
      </main>
      <Notices />
    </div>
  );
}

function Navigation() {
  const router = useRouter();
  return (
    <nav aria-label={text.shell.navigation}>
      <ul className={classes.places}>
        {PLACES.filter((place) => place.to in router.routesByPath).map((place) => (
          <li key={place.to}>
            <Link to={place.to} className={classes.place} activeOptions={{ exact: place.to === "/" }}>
              <place.icon size={18} stroke={1.8} aria-hidden />
              {place.label}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}
