// What several views are made of.

import type { Account, Age, Use } from "./answers";
import { address, type Asked, Refusal } from "./ask";
import { FLAGS, number, SERVICES, span, status, TALKWALKER } from "./words";

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
export function Uses({ uses: runs }: { uses: Use[] }): React.ReactElement {
  if (runs.length === 0) return <span className="twx-faint">no run known</span>;
  return (
    <ul className="twx-uses">
      {runs.slice(0, 3).map((use) => (
        <li key={use.dag_id + use.run_id}>
          <a
            href={address(`dags/${encodeURIComponent(use.dag_id)}/runs/${encodeURIComponent(use.run_id)}`)}
            title={use.run_id}
          >
            {use.dag_id}
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

function reason(problem: Error): React.ReactNode {
  const code = problem instanceof Refusal ? problem.status : 0;
  if (code === 401) {
    const login = address("api/v2/auth/login", { next: window.location.href });
    return (
      <>
        You are not logged in any more. <a href={login}>Log in</a>
      </>
    );
  }
  if (code === 403) return "You may not see this: it takes the permission to read the DAGs.";
  if (code >= 400) return `The API server answers ${code}: ${problem.message}`;
  return "The API server does not answer. Trying again …";
}

/** Show what was asked for; or that it is on its way; or why it is not, above the last answer. */
export function Shown<T>(props: {
  asked: Asked<T>;
  what: string;
  children: (answer: T) => React.ReactNode;
}): React.ReactElement {
  const { asked, what, children } = props;
  return (
    <>
      {asked.problem && (
        <p className="twx-problem" role="alert">
          {reason(asked.problem)}
        </p>
      )}
      {asked.answer === undefined ? !asked.problem && <Loading what={what} /> : children(asked.answer)}
    </>
  );
}

/** Say how old an answer is, second by second. */
export function Aged({ age, problem, at }: Age & { at: number }): React.ReactElement {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), 1000);
    return () => window.clearInterval(timer);
  }, []);
  if (age === null) return <span className="twx-faint">{problem ? "never seen" : "asking …"}</span>;
  return <span className={problem ? "twx-stale" : "twx-faint"}>seen {span(age + (now - at) / 1000)} ago</span>;
}

export function Accounts({ accounts, at }: { accounts: Account[]; at: number }): React.ReactElement {
  return (
    <div className="twx-accounts">
      {accounts.map((account) => (
        <section key={account.conn_id} className="twx-card" aria-label={`Connection ${account.conn_id}`}>
          <div className="twx-between">
            <span>
              <strong>{account.conn_id}</strong> <span className="twx-faint">{SERVICES[account.conn_type]}</span>
            </span>
            <Aged age={account.age} problem={account.problem} at={at} />
          </div>
          <dl>
            {account.conn_type === TALKWALKER && (
              <>
                <Fact name="credits left" value={account.credits ? number(account.credits.left) : "–"} />
                <Fact
                  name="next billing"
                  value={account.credits?.next_billing ? account.credits.next_billing.slice(0, 10) : "–"}
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

/** Say of each connection how old its answer is, in a line. */
export function Ages({ accounts, at }: { accounts: Account[]; at: number }): React.ReactElement {
  return (
    <>
      {accounts.map((account) => (
        <div key={account.conn_id}>
          <p className="twx-between">
            <span className="twx-faint">{account.conn_id}</span>
            <Aged age={account.age} problem={account.problem} at={at} />
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

export const isAsking = (accounts: Account[]): boolean => accounts.some((it) => it.age === null && !it.problem);

export function Fact({ name, value }: { name: string; value: string }): React.ReactElement {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** Ask before something is done that cannot be undone; Escape and the first button leave all as it is. */
export function Confirmation(props: {
  title: string;
  keep: string;
  go: string;
  children: React.ReactNode;
  action: () => Promise<string>;
  onClose: (done: string | undefined) => void;
}): React.ReactElement {
  const { title, keep, go, children, action, onClose } = props;
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
          {keep}
        </button>
        <button type="button" className="twx-danger" disabled={busy} onClick={() => void run()}>
          {busy ? "Working …" : go}
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
