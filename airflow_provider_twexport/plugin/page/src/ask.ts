// Asking the routes, again and again while somebody looks.

import type { Age } from "./answers";

const { useCallback, useEffect, useRef, useState } = React;

export type Scope = Record<string, string>;

export class Refusal extends Error {
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

async function answered<T>(response: Response): Promise<T> {
  if (response.ok) return (await response.json()) as T;
  const body = (await response.json().catch(() => ({}))) as { detail?: unknown };
  throw new Refusal(response.status, typeof body.detail === "string" ? body.detail : response.statusText);
}

export async function ask<T>(path: string, params: Record<string, string>, signal?: AbortSignal): Promise<T> {
  const response = await fetch(address(`twexport/${path}`, params), { credentials: "same-origin", signal });
  return answered<T>(response);
}

export async function act(path: string): Promise<string> {
  const response = await fetch(address(`twexport/${path}`), { method: "POST", credentials: "same-origin" });
  return (await answered<{ done: string }>(response)).done;
}

export interface Asked<T> {
  answer: T | undefined;
  at: number;
  problem: Error | undefined;
  again: () => void;
}

/** Ask every few seconds while the page is seen; the last answer stays while the next one is awaited. */
export function useAsked<T>(path: string, params: Record<string, string>, seconds: number): Asked<T> {
  const [known, setKnown] = useState<{ of: string; answer: T; at: number } | undefined>();
  const [problem, setProblem] = useState<Error | undefined>();
  const [round, setRound] = useState(0);
  const words = JSON.stringify([path, params]);
  const latest = useRef(words);
  latest.current = words;

  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    const look = async (): Promise<void> => {
      let wait = seconds;
      try {
        if (!document.hidden) {
          const answer = await ask<T>(path, params, stop.signal);
          setKnown({ of: words, answer, at: Date.now() });
          setProblem(undefined);
          wait = isEmptyHanded(answer) ? 1 : seconds;
        }
      } catch (error) {
        if (stop.signal.aborted) return;
        setProblem(error as Error);
      }
      if (!stop.signal.aborted) timer = window.setTimeout(() => void look(), wait * 1000);
    };
    const seen = (): void => {
      if (!document.hidden) {
        window.clearTimeout(timer);
        void look();
      }
    };
    document.addEventListener("visibilitychange", seen);
    void look();
    return () => {
      stop.abort();
      window.clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [words, seconds, round]);

  const again = useCallback(() => setRound((number) => number + 1), []);
  return { answer: known?.answer, at: known?.at ?? 0, problem, again };
}

export interface Chosen<T> {
  row: T | undefined;
  choose: (row: T) => void;
  close: (said: string | undefined) => void;
  done: string;
}

/** Keep which row is about to be acted on, and what the last action did; after one, the rows are asked for again. */
export function useChosen<T>(again: () => void): Chosen<T> {
  const [row, choose] = useState<T | undefined>();
  const [done, setDone] = useState("");
  const close = (said: string | undefined): void => {
    choose(undefined);
    if (said) {
      setDone(said);
      again();
    }
  };
  return { row, choose, close, done };
}

/** Tell whether the server itself is still waiting for its first answer. */
function isEmptyHanded(answer: unknown): boolean {
  const known = answer as Partial<Age> & { accounts?: Age[]; credits?: Age[]; usage?: Age[] };
  const parts = [known.accounts, known.credits, known.usage].flatMap((it) => it ?? []);
  return [known, ...parts].some((it) => it.age === null && it.problem === null);
}
