// The exports of all connections, with their progress.

import type { Export, Exports } from "./answers";
import { act, type Scope, useAsked, useChosen } from "./ask";
import { Accounts, Bar, Confirmation, Empty, Flags, isAsking, More, Shown, Status, Uses } from "./parts";
import { brief, count, days, number, secondsUntil, span } from "./words";

const { useState } = React;

const STEP = 50;
const CHOICES: [string, string][] = [
  ["", "All exports"],
  ["unfinished", "Queued and running"],
  ["flagged", "To look at"],
  ["finished", "Finished"],
  ["truncated", "Truncated"],
  ["partial", "Partial"],
  ["orphaned", "Orphaned"],
  ["bought twice", "Bought twice"],
  ["aborted", "Aborted"],
  ["failed", "Failed"],
];

export function ExportsView({ scope, sought }: { scope: Scope; sought: string }): React.ReactElement {
  const [only, setOnly] = useState("");
  const [connection, setConnection] = useState("");
  const [search, setSearch] = useState(sought);
  const [limit, setLimit] = useState(STEP);
  const asked = useAsked<Exports>("exports", { ...scope, conn_id: connection, only, search, limit: String(limit) }, 5);
  const chosen = useChosen<Export>(asked.again);
  return (
    <>
      <Shown asked={asked} what="exports">
        {(answer) => (
          <>
            <Accounts accounts={answer.accounts} at={asked.at} />
            {answer.accounts.length === 0 ? (
              <Empty title="There is no connection to a service that has exports.">
                Create one of the type Talkwalker or Adobe Experience Platform under Admin, Connections; or name it in
                the option connections of the section [twexport] of airflow.cfg.
              </Empty>
            ) : (
              <>
                <div className="twx-controls">
                  {answer.accounts.length > 1 && (
                    <label>
                      <span className="twx-sr">Which connection</span>
                      <select value={connection} onChange={(event) => setConnection(event.target.value)}>
                        <option value="">All connections</option>
                        {answer.accounts.map((it) => (
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
                    <span className="twx-sr">Search by export, collector, dataset or place</span>
                    <input
                      type="search"
                      placeholder="Export, collector, dataset or place"
                      value={search}
                      onChange={(event) => setSearch(event.target.value)}
                    />
                  </label>
                </div>
                <p className="twx-done" role="status">
                  {chosen.done}
                </p>
                {answer.rows.length === 0 ? (
                  <Nothing isAsking={isAsking(answer.accounts)} isCut={connection + only + search !== ""} />
                ) : (
                  <>
                    <Table rows={answer.rows} isMixed={answer.accounts.length > 1} onAbort={chosen.choose} />
                    <More shown={answer.rows.length} total={answer.total} onMore={() => setLimit(limit + STEP)} />
                  </>
                )}
                {answer.places === 0 && (
                  <p className="twx-faint">
                    Where exports landed is not known here: name the directories in the option landings of the section
                    [twexport] of airflow.cfg.
                  </p>
                )}
              </>
            )}
          </>
        )}
      </Shown>
      {chosen.row && (isJob(chosen.row) ? <Cancel row={chosen.row} onClose={chosen.close} /> : <Abort row={chosen.row} onClose={chosen.close} />)}
    </>
  );
}

function Nothing(props: { isAsking: boolean; isCut: boolean }): React.ReactElement {
  if (props.isAsking) return <Empty title="Asking …" />;
  if (props.isCut) return <Empty title="No export matches." />;
  return <Empty title="Nothing was exported here.">Exports appear as soon as a task orders one.</Empty>;
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
              <Uses uses={row.uses} />
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

/** Tell whether it is an export job of Adobe: it exports segments into a dataset, and no result is charged. */
const isJob = (row: Export): boolean => row.segments !== null;

function what(row: Export): string {
  if (row.segments !== null) return row.segments ? count(row.segments, "segment") : "All profiles";
  return row.window ? days(row.window) : "Window not known";
}

function Progress({ row }: { row: Export }): React.ReactElement {
  if (!row.is_unfinished) {
    const more = row.matching !== null && row.exported !== null && row.matching > row.exported;
    return (
      <>
        <div>
          {number(row.exported)} {isJob(row) ? "profiles" : "results"}
          {more && <span className="twx-faint"> of about {number(row.matching)} that match</span>}
        </div>
        {row.landings.length > 0 && <div className="twx-faint twx-address">{row.landings[0]}</div>}
        {row.landings.length === 0 && row.readable_until && (
          <div className="twx-faint">can be read for {span(secondsUntil(row.readable_until))} more</div>
        )}
      </>
    );
  }
  if (row.exported === null || row.expected === null) {
    if (row.status === "queued") return <span className="twx-faint">waits for its turn</span>;
    return <span className="twx-faint">{isJob(row) ? "Adobe does not say how far it is" : "just begun"}</span>;
  }
  return (
    <>
      <Bar done={row.exported} of={row.expected} label={`Export ${row.id}`} />
      <div>
        {number(row.exported)} of {number(row.expected)}
        <span className="twx-faint">
          {row.per_second ? ` · ${brief(row.per_second)} a second` : ""}
          {row.seconds_left !== null ? ` · ${span(row.seconds_left)} left` : ""}
        </span>
      </div>
    </>
  );
}

interface Asked {
  row: Export;
  onClose: (done: string | undefined) => void;
}

const abort = (row: Export): Promise<string> =>
  act(`connections/${encodeURIComponent(row.conn_id)}/exports/${encodeURIComponent(row.id)}/abort`);

function Failing({ row }: { row: Export }): React.ReactElement {
  const runs = row.uses.map((use) => `${use.dag_id}, run ${use.run_id}`);
  return (
    <>
      {runs.map((run) => (
        <li key={run}>The task that waits for it will fail: {run}.</li>
      ))}
    </>
  );
}

function Abort({ row, onClose }: Asked): React.ReactElement {
  const rest = row.expected !== null && row.exported !== null ? row.expected - row.exported : null;
  return (
    <Confirmation
      title="Abort this export?"
      keep="Keep it running"
      go="Abort export"
      action={() => abort(row)}
      onClose={onClose}
    >
      <p>
        <code>{row.id}</code>
        {row.window && <>, {days(row.window)}</>}
      </p>
      <ul>
        <li>
          <strong>{number(row.exported)} credits</strong> are spent for what it has exported, and stay spent.
        </li>
        <li>
          {rest === null ? (
            "What it has not exported yet is"
          ) : (
            <>
              <strong>About {number(rest)} results</strong> are
            </>
          )}{" "}
          not exported, and cost nothing. To get them later takes a new export of the whole window, which pays for all
          of it.
        </li>
        <li>What it has exported stays in its collector for 7 days, and can be read from there without paying.</li>
        <Failing row={row} />
      </ul>
    </Confirmation>
  );
}

function Cancel({ row, onClose }: Asked): React.ReactElement {
  return (
    <Confirmation
      title="Cancel this export job?"
      keep="Keep it running"
      go="Cancel export job"
      action={() => abort(row)}
      onClose={onClose}
    >
      <p>
        <code>{row.id}</code>, {what(row)}, into dataset <code>{row.dataset_id}</code>
      </p>
      <ul>
        <li>Nothing of it will land. To get the profiles later takes a new export job.</li>
        <Failing row={row} />
      </ul>
    </Confirmation>
  );
}
