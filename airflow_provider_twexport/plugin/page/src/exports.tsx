// The exports of all connections, with their progress.

import { Accounts, Bar, Confirmation, Empty, Flags, isLoading, Loaded, More, Runs, Status } from "./components";
import { count, days, duration, number, secondsUntil, shortNumber } from "./format";
import { post, type Scope, usePolling, useSelected } from "./requests";
import type { Export, Exports } from "./responses";

const { useState } = React;

const STEP = 50;
const CHOICES: [string, string][] = [
  ["", "All exports"],
  ["unfinished", "Queued and running"],
  ["flagged", "Flagged"],
  ["finished", "Finished"],
  ["truncated", "Truncated"],
  ["partial", "Partial"],
  ["orphaned", "Orphaned"],
  ["bought twice", "Bought twice"],
  ["aborted", "Aborted"],
  ["failed", "Failed"],
];

export function ExportsView({ scope, exportId }: { scope: Scope; exportId: string }): React.ReactElement {
  const [only, setOnly] = useState("");
  const [connection, setConnection] = useState("");
  const [search, setSearch] = useState(exportId);
  const [limit, setLimit] = useState(STEP);
  const polled = usePolling<Exports>("exports", { ...scope, conn_id: connection, only, search, limit: String(limit) }, 5);
  const selected = useSelected<Export>(polled.refresh);
  return (
    <>
      <Loaded polled={polled} what="exports">
        {(data) => (
          <>
            <Accounts accounts={data.accounts} at={polled.at} />
            {data.accounts.length === 0 ? (
              <Empty title="There is no connection to a service that has exports.">
                Create one of the type {data.services.join(" or ")} under Admin, Connections; or list it in the option
                connections of the section [twexport] of airflow.cfg.
              </Empty>
            ) : (
              <>
                <div className="twx-controls">
                  {data.accounts.length > 1 && (
                    <label>
                      <span className="twx-sr">Which connection</span>
                      <select value={connection} onChange={(event) => setConnection(event.target.value)}>
                        <option value="">All connections</option>
                        {data.accounts.map((it) => (
                          <option key={it.conn_id}>{it.conn_id}</option>
                        ))}
                      </select>
                    </label>
                  )}
                  <label>
                    <span className="twx-sr">Which exports</span>
                    <select value={only} onChange={(event) => setOnly(event.target.value)}>
                      {CHOICES.map(([value, name]) => (
                        <option key={value} value={value}>
                          {name}
                        </option>
                      ))}
                    </select>
                  </label>
                  <label>
                    <span className="twx-sr">Search by export, collector, dataset or path</span>
                    <input
                      type="search"
                      placeholder="Export, collector, dataset or path"
                      value={search}
                      onChange={(event) => setSearch(event.target.value)}
                    />
                  </label>
                </div>
                <p className="twx-done" role="status">
                  {selected.done}
                </p>
                {data.rows.length === 0 ? (
                  <Nothing isLoading={isLoading(data.accounts)} isFiltered={connection + only + search !== ""} />
                ) : (
                  <>
                    <Table rows={data.rows} isMixed={data.accounts.length > 1} onAbort={selected.select} />
                    <More shown={data.rows.length} total={data.total} onMore={() => setLimit(limit + STEP)} />
                  </>
                )}
                {data.directories === 0 && (
                  <p className="twx-faint">
                    This page does not know where exports land: list the directories in the option landings of the section
                    [twexport] of airflow.cfg.
                  </p>
                )}
              </>
            )}
          </>
        )}
      </Loaded>
      {selected.row && (isJob(selected.row) ? <Cancel row={selected.row} onClose={selected.close} /> : <Abort row={selected.row} onClose={selected.close} />)}
    </>
  );
}

function Nothing(props: { isLoading: boolean; isFiltered: boolean }): React.ReactElement {
  if (props.isLoading) return <Empty title="Loading …" />;
  if (props.isFiltered) return <Empty title="No export matches." />;
  return <Empty title="No exports yet.">An export appears as soon as a task orders it.</Empty>;
}

function Table(props: { rows: Export[]; isMixed: boolean; onAbort: (row: Export) => void }): React.ReactElement {
  const { rows, isMixed, onAbort } = props;
  return (
    <table className="twx-table">
      <caption className="twx-sr">Exports</caption>
      <thead>
        <tr>
          <th scope="col">Export</th>
          <th scope="col">State</th>
          <th scope="col" className="twx-wide">
            Progress
          </th>
          <th scope="col" className="twx-number">
            Credits
          </th>
          <th scope="col">Used by</th>
          <th scope="col">
            <span className="twx-sr">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={`${row.conn_id} ${row.id}`}>
            <th scope="row" data-label="Export">
              <div>{what(row)}</div>
              <code title={row.collector_id ?? row.dataset_id ?? ""}>{row.id}</code>
              {isMixed && <div className="twx-faint">{row.conn_id}</div>}
            </th>
            <td data-label="State">
              <Status raw={row.status} />
              <Flags flags={row.flags} />
              {row.messages.map((message) => (
                <div key={message} className="twx-faint">
                  {message}
                </div>
              ))}
            </td>
            <td data-label="Progress" className="twx-wide">
              <Progress row={row} />
            </td>
            <td data-label="Credits" className="twx-number">
              {isJob(row) ? "–" : number(row.credits)}
            </td>
            <td data-label="Used by">
              <Runs runs={row.used_by} />
            </td>
            <td className="twx-actions">
              {row.may_abort && (
                <button type="button" className="twx-danger" onClick={() => onAbort(row)}>
                  {isJob(row) ? "Cancel" : "Abort"}
                  <span className="twx-sr"> export {row.id}</span> …
                </button>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Return whether it is an export job: it exports segments into a dataset, and no result is charged. */
const isJob = (row: Export): boolean => row.segments !== null;

function what(row: Export): string {
  if (row.segments !== null) return row.segments ? count(row.segments, "segment") : "All profiles";
  return row.window ? days(row.window) : "Unknown window";
}

function Progress({ row }: { row: Export }): React.ReactElement {
  if (!row.is_unfinished) {
    const more = row.estimated_total !== null && row.exported !== null && row.estimated_total > row.exported;
    return (
      <>
        <div>
          {number(row.exported)} {isJob(row) ? "profiles" : "results"}
          {more && <span className="twx-faint"> of about {number(row.estimated_total)} that match</span>}
        </div>
        {row.landings.length > 0 && <div className="twx-faint twx-address">{row.landings[0]}</div>}
        {row.landings.length === 0 && row.readable_until && (
          <div className="twx-faint">readable for {duration(secondsUntil(row.readable_until))} more</div>
        )}
      </>
    );
  }
  if (row.exported === null || row.expected === null) {
    if (row.status === "queued") return <span className="twx-faint">waiting to start</span>;
    return <span className="twx-faint">{isJob(row) ? "no progress reported" : "starting"}</span>;
  }
  return (
    <>
      <Bar done={row.exported} of={row.expected} label={`Export ${row.id}`} />
      <div>
        {number(row.exported)} of {number(row.expected)}
        <span className="twx-faint">
          {row.per_second ? ` · ${shortNumber(row.per_second)} a second` : ""}
          {row.seconds_left !== null ? ` · ${duration(row.seconds_left)} left` : ""}
        </span>
      </div>
    </>
  );
}

interface DialogProps {
  row: Export;
  onClose: (done: string | undefined) => void;
}

const abort = (row: Export): Promise<string> =>
  post(`connections/${encodeURIComponent(row.conn_id)}/exports/${encodeURIComponent(row.id)}/abort`);

function FailingTasks({ row }: { row: Export }): React.ReactElement {
  const runs = row.used_by.map((run) => `${run.dag_id}, run ${run.run_id}`);
  return (
    <>
      {runs.map((run) => (
        <li key={run}>The task that waits for it will fail: {run}.</li>
      ))}
    </>
  );
}

function Abort({ row, onClose }: DialogProps): React.ReactElement {
  const remainder = row.expected !== null && row.exported !== null ? row.expected - row.exported : null;
  return (
    <Confirmation
      title="Abort this export?"
      cancel="Keep it running"
      confirm="Abort export"
      action={() => abort(row)}
      onClose={onClose}
    >
      <p>
        <code>{row.id}</code>
        {row.window && <>, {days(row.window)}</>}
      </p>
      <ul>
        <li>
          <strong>{number(row.exported)} credits</strong> are spent for what it has exported, and are not refunded.
        </li>
        <li>
          {remainder === null ? (
            "What it has not exported yet is"
          ) : (
            <>
              <strong>About {number(remainder)} results</strong> are
            </>
          )}{" "}
          not exported, and cost nothing. To get them later, you need a new export of the whole window, and pay for all
          of it.
        </li>
        <li>What it has exported stays in its collector for 7 days, and can be read from there for free.</li>
        <FailingTasks row={row} />
      </ul>
    </Confirmation>
  );
}

function Cancel({ row, onClose }: DialogProps): React.ReactElement {
  return (
    <Confirmation
      title="Cancel this export job?"
      cancel="Keep it running"
      confirm="Cancel export job"
      action={() => abort(row)}
      onClose={onClose}
    >
      <p>
        <code>{row.id}</code>, {what(row)}, into dataset <code>{row.dataset_id}</code>
      </p>
      <ul>
        <li>None of its profiles will land. To get them later, you need a new export job.</li>
        <FailingTasks row={row} />
      </ul>
    </Confirmation>
  );
}
