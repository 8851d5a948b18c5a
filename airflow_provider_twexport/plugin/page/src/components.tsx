// Components of several views.

import { duration, FLAGS, number, status } from "./format";
import { address, HttpError, type Polled } from "./requests";
import type { Account, Aged, Run } from "./responses";

const { useEffect, useId, useRef, useState } = React;

export function Status({ raw }: { raw: string }): React.ReactElement {
  return <span className={`twx-status twx-is-${raw.replace(/[^a-z_]/g, "")}`}>{status(raw)}</span>;
}

export function Flags({ flags }: { flags: string[] }): React.ReactElement | null {
  if (flags.length === 0) return null;
  return (
    <span className="twx-flags">
      {flags.map((flag) => (
        <span key={flag} className="twx-flag" title={FLAGS[flag]}>
          <span aria-hidden="true">⚠ </span>
          {flag}
        </span>
      ))}
    </span>
  );
}

export function Bar({ done, of, label }: { done: number; of: number; label: string }): React.ReactElement {
  const share = of > 0 ? Math.min(1, done / of) : 0;
  return (
    <div
      className="twx-bar"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={of}
      aria-valuenow={done}
      aria-valuetext={`${number(done)} of ${number(of)}`}
    >
      <div style={{ width: `${share * 100}%` }} />
    </div>
  );
}

/** Link to the runs that use an export. */
export function Runs({ runs }: { runs: Run[] }): React.ReactElement {
  if (runs.length === 0) return <span className="twx-faint">no known run</span>;
  return (
    <ul className="twx-runs">
      {runs.slice(0, 3).map((run) => (
        <li key={run.dag_id + run.run_id}>
          <a
            href={address(`dags/${encodeURIComponent(run.dag_id)}/runs/${encodeURIComponent(run.run_id)}`)}
            title={run.run_id}
          >
            {run.dag_id}
          </a>
        </li>
      ))}
      {runs.length > 3 && <li className="twx-faint">and {runs.length - 3} more</li>}
    </ul>
  );
}

export function Empty({ title, children }: { title: string; children?: React.ReactNode }): React.ReactElement {
  return (
    <div className="twx-empty">
      <strong>{title}</strong>
      {children && <p>{children}</p>}
    </div>
  );
}

export function Loading({ what }: { what: string }): React.ReactElement {
  return (
    <div className="twx-loading" role="status">
      <span className="twx-sr">Loading {what} …</span>
      {[0, 1, 2, 3].map((line) => (
        <div key={line} aria-hidden="true" />
      ))}
    </div>
  );
}

function reason(error: Error): React.ReactNode {
  const code = error instanceof HttpError ? error.status : 0;
  if (code === 401) {
    const login = address("api/v2/auth/login", { next: window.location.href });
    return (
      <>
        You are not logged in any more. <a href={login}>Log in</a>
      </>
    );
  }
  if (code === 403) return "You need the permission to read DAGs to see this.";
  if (code >= 400) return `The API server responds with ${code}: ${error.message}`;
  return "The API server does not respond. Retrying …";
}

/** Show the last response, or that it is loading; above it the error of a newer request. */
export function Loaded<T>(props: {
  polled: Polled<T>;
  what: string;
  children: (data: T) => React.ReactNode;
}): React.ReactElement {
  const { polled, what, children } = props;
  return (
    <>
      {polled.error && (
        <p className="twx-problem" role="alert">
          {reason(polled.error)}
        </p>
      )}
      {polled.data === undefined ? !polled.error && <Loading what={what} /> : children(polled.data)}
    </>
  );
}

/** Show how old a result is, second by second. */
export function Age({ age, problem, at }: Aged & { at: number }): React.ReactElement {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), 1000);
    return () => window.clearInterval(timer);
  }, []);
  if (age === null) return <span className="twx-faint">{problem ? "no data yet" : "loading …"}</span>;
  return <span className={problem ? "twx-stale" : "twx-faint"}>updated {duration(age + (now - at) / 1000)} ago</span>;
}

export function Accounts({ accounts, at }: { accounts: Account[]; at: number }): React.ReactElement {
  return (
    <div className="twx-accounts">
      {accounts.map((account) => (
        <section key={account.conn_id} className="twx-card" aria-label={`Connection ${account.conn_id}`}>
          <div className="twx-between">
            <span>
              <strong>{account.conn_id}</strong> <span className="twx-faint">{account.service}</span>
            </span>
            <Age age={account.age} problem={account.problem} at={at} />
          </div>
          <dl>
            {account.is_charged && (
              <>
                <Fact name="credits left" value={account.credits?.left ?? "–"} />
                <Fact
                  name="next billing"
                  value={account.credits?.next_billing_period?.slice(0, 10) ?? "–"}
                />
              </>
            )}
            <Fact name="exports" value={number(account.exports)} />
            <Fact name="running" value={number(account.counts.unfinished ?? 0)} />
          </dl>
          {account.problem && (
            <p className="twx-problem" role="alert">
              {account.problem}
            </p>
          )}
        </section>
      ))}
    </div>
  );
}

/** Show a line for each connection: how old its rows are. */
export function Ages({ accounts, at }: { accounts: Account[]; at: number }): React.ReactElement {
  return (
    <>
      {accounts.map((account) => (
        <div key={account.conn_id}>
          <p className="twx-between">
            <span className="twx-faint">{account.conn_id}</span>
            <Age age={account.age} problem={account.problem} at={at} />
          </p>
          {account.problem && (
            <p className="twx-problem" role="alert">
              {account.problem}
            </p>
          )}
        </div>
      ))}
    </>
  );
}

export const isLoading = (accounts: Account[]): boolean => accounts.some((it) => it.age === null && !it.problem);

export function Fact({ name, value }: { name: string; value: string }): React.ReactElement {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** Ask before an action that cannot be undone; Escape and the first button cancel it. */
export function Confirmation(props: {
  title: string;
  cancel: string;
  confirm: string;
  children: React.ReactNode;
  action: () => Promise<string>;
  onClose: (done: string | undefined) => void;
}): React.ReactElement {
  const { title, cancel, confirm, children, action, onClose } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  useEffect(() => dialog.current?.showModal(), []);

  const run = async (): Promise<void> => {
    setBusy(true);
    try {
      onClose(await action());
    } catch (error) {
      setProblem((error as Error).message);
      setBusy(false);
    }
  };
  return (
    <dialog
      ref={dialog}
      className="twx-dialog"
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose(undefined);
      }}
    >
      <h2 id={heading}>{title}</h2>
      {children}
      {problem && (
        <p className="twx-problem" role="alert">
          {problem}
        </p>
      )}
      <div className="twx-buttons">
        <button type="button" autoFocus disabled={busy} onClick={() => onClose(undefined)}>
          {cancel}
        </button>
        <button type="button" className="twx-danger" disabled={busy} onClick={() => void run()}>
          {busy ? "Working …" : confirm}
        </button>
      </div>
    </dialog>
  );
}

export function More({
  shown,
  total,
  onMore,
}: {
  shown: number;
  total: number;
  onMore: () => void;
}): React.ReactElement {
  return (
    <div className="twx-more">
      <span className="twx-faint">
        {number(shown)} of {number(total)}
      </span>
      {shown < total && (
        <button type="button" onClick={onMore}>
          Show more
        </button>
      )}
    </div>
  );
}
