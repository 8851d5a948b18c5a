// Numbers, times and states as text.

import type { TimeWindow } from "./responses";

const integer = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const minute = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  timeZone: "UTC",
});

export const number = (value: number | null): string => (value === null ? "?" : integer.format(value));
export const shortNumber = (value: number): string => compact.format(value);
export const date = (text: string): string => day.format(new Date(text));
export const time = (text: string): string => `${minute.format(new Date(text))} UTC`;

export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

export const secondsUntil = (text: string): number => (new Date(text).getTime() - Date.now()) / 1000;

/** Return a half-open window as its first and last day: the last one is the day before its end. */
export function days(window: TimeWindow): string {
  const isWhole = [window.start, window.stop].every((edge) => new Date(edge).getTime() % 86400000 === 0);
  if (!isWhole) return `${time(window.start)} – ${time(window.stop)}`;
  const first = date(window.start);
  const last = date(new Date(new Date(window.stop).getTime() - 1).toISOString());
  return first === last ? first : `${first} – ${last}`;
}

export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** power).toFixed(power ? 1 : 0)} ${units[power]}`;
}

export const status = (raw: string): string =>
  raw === "result_limit_reached" ? "limit reached" : raw.replaceAll("_", " ");

export const count = (value: number, one: string, several = `${one}s`): string =>
  `${number(value)} ${value === 1 ? one : several}`;

/** Return a service's name of something, such as searchRequests30Day, as words. */
export const asWords = (name: string): string => name.replace(/([a-z0-9])([A-Z])|([a-zA-Z])([0-9])/g, "$1$3 $2$4").toLowerCase();

export const FLAGS: Record<string, string> = {
  truncated: "More results match than were exported: the limit was reached.",
  partial: "Some results are missing.",
  orphaned: "Paid for, but not landed.",
  "bought twice": "Another export contains the same days.",
  gaps: "Parts of the stream are missing.",
  "expires soon": "The service deletes its results within 48 hours.",
};
