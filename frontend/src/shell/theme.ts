import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from "@mantine/core";

const iris: MantineColorsTuple = [
  "#eef0fd",
  "#dde1fa",
  "#bac2f2",
  "#96a1ea",
  "#7884e2",
  "#5b69d6",
  "#3f4fc4",
  "#3443a8",
  "#2a378b",
  "#202a6c",
];

export const theme = createTheme({
  primaryColor: "iris",
  primaryShade: { light: 6, dark: 5 },
  colors: { iris },
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  focusRing: "auto",
  fontFamily:
    'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", Arial, sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace',
  headings: { fontWeight: "650" },
});

/** Mantine's grey for secondary text has too little contrast to be read by everybody (WCAG 2.2 AA: 4.5 to 1). */
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-body": "#fbfbf9",
    "--mantine-color-dimmed": "#5c6168",
    "--mantine-color-placeholder": "#6b7077",
    "--mantine-color-anchor": "#3443a8",
    "--mantine-color-error": "#b42318",
    "--studio-surface": "#ffffff",
    "--studio-line": "#e4e4df",
    "--studio-quiet": "#f3f3ef",
    "--studio-accent": "#3f4fc4",
    "--studio-accent-soft": "#e6e9fb",
    "--studio-accent-ink": "#2a378b",
    "--studio-good": "#1c6b3f",
    "--studio-good-soft": "#e2f3e8",
    "--studio-warn": "#8a4b08",
    "--studio-warn-soft": "#fdf0dc",
    "--studio-bad": "#a3231a",
    "--studio-bad-soft": "#fce8e6",
  },
  dark: {
    "--mantine-color-body": "#15161a",
    "--mantine-color-text": "#e3e4e8",
    "--mantine-color-dimmed": "#a2a6af",
    "--mantine-color-placeholder": "#8f949e",
    "--mantine-color-anchor": "#a5b0f5",
    "--mantine-color-error": "#ff8f85",
    "--studio-surface": "#1c1e23",
    "--studio-line": "#2e3138",
    "--studio-quiet": "#22252b",
    "--studio-accent": "#8a97f0",
    "--studio-accent-soft": "#2a3050",
    "--studio-accent-ink": "#c3cbfa",
    "--studio-good": "#7fd6a2",
    "--studio-good-soft": "#17321f",
    "--studio-warn": "#f2bd74",
    "--studio-warn-soft": "#3a2a12",
    "--studio-bad": "#ff9d94",
    "--studio-bad-soft": "#411d1a",
  },
});
