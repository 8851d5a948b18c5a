// Requests to the routes, repeated while somebody looks at the page.

import type { Aged } from "./responses";

const { useCallback, useEffect, useState } = React;

export type Scope = Record<string, string>;

export class HttpError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Return an address below the one that Airflow is served at, whatever prefix that has. */
export function address(path: string, params: Record<string, string> = {}): string {
  const url = new URL(path, document.baseURI);
  for (const [name, value] of Object.entries(params)) {
    if (value !== "") url.searchParams.set(name, value);
  }
  return url.href;
}

async function parsed<T>(response: Response): Promise<T> {
  if (response.ok) return (await response.json()) as T;
  const body = (await response.json().catch(() => ({}))) as { detail?: unknown };
  throw new HttpError(response.status, typeof body.detail === "string" ? body.detail : response.statusText);
}

export async function get<T>(path: string, params: Record<string, string>, signal?: AbortSignal): Promise<T> {
  const response = await fetch(address(`twexport/${path}`, params), { credentials: "same-origin", signal });
  return parsed<T>(response);
}

/** Take an action and return what it has done, in a sentence. */
export async function post(path: string): Promise<string> {
  const response = await fetch(address(`twexport/${path}`), { method: "POST", credentials: "same-origin" });
  return (await parsed<{ done: string }>(response)).done;
}

export interface Polled<T> {
  data: T | undefined;
  at: number;
  error: Error | undefined;
  refresh: () => void;
}

/** Repeat a request every few seconds while the page is visible; the last response stays until the next one. */
export function usePolling<T>(path: string, params: Record<string, string>, seconds: number): Polled<T> {
  const [last, setLast] = useState<{ data: T; at: number } | undefined>();
  const [error, setError] = useState<Error | undefined>();
  const [round, setRound] = useState(0);
  const key = JSON.stringify([path, params]);

  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    const poll = async (): Promise<void> => {
      let wait = seconds;
      try {
        if (!document.hidden) {
          const data = await get<T>(path, params, stop.signal);
          setLast({ data, at: Date.now() });
          setError(undefined);
          wait = isPending(data) ? 1 : seconds;
        }
      } catch (caught) {
        if (stop.signal.aborted) return;
        setError(caught as Error);
      }
      if (!stop.signal.aborted) timer = window.setTimeout(() => void poll(), wait * 1000);
    };
    const onVisibility = (): void => {
      if (!document.hidden) {
        window.clearTimeout(timer);
        void poll();
      }
    };
    document.addEventListener("visibilitychange", onVisibility);
    void poll();
    return () => {
      stop.abort();
      window.clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisibility);
    };
  }, [key, seconds, round]);

  const refresh = useCallback(() => setRound((number) => number + 1), []);
  return { data: last?.data, at: last?.at ?? 0, error, refresh };
}

export interface Selected<T> {
  row: T | undefined;
  select: (row: T) => void;
  close: (done: string | undefined) => void;
  done: string;
}

/** Keep which row is about to be acted on, and what the last action has done; after an action, refresh. */
export function useSelected<T>(refresh: () => void): Selected<T> {
  const [row, select] = useState<T | undefined>();
  const [done, setDone] = useState("");
  const close = (text: string | undefined): void => {
    select(undefined);
    if (text) {
      setDone(text);
      refresh();
    }
  };
  return { row, select, close, done };
}

/** Return whether the server itself still waits for a first response. */
function isPending(data: unknown): boolean {
  const response = data as Partial<Aged> & { accounts?: Aged[]; credits?: Aged[]; usage?: Aged[] };
  const parts = [response.accounts, response.credits, response.usage].flatMap((it) => it ?? []);
  return [response, ...parts].some((it) => it.age === null && it.problem === null);
}
