// Collectors, with the time left until their results are deleted.

import { Ages, Confirmation, Empty, isLoading, Loaded, More, Runs } from "./components";
import { duration, number, secondsUntil, time } from "./format";
import { post, type Scope, usePolling, useSelected } from "./requests";
import type { Collector, Collectors } from "./responses";

const { useState } = React;

const STEP = 50;
const URGENT = 48 * 3600;

export function CollectorsView({ scope }: { scope: Scope }): React.ReactElement {
  const [limit, setLimit] = useState(STEP);
  const polled = usePolling<Collectors>("collectors", { ...scope, limit: String(limit) }, 10);
  const selected = useSelected<Collector>(polled.refresh);
  return (
    <>
      <p className="twx-done" role="status">
        {selected.done}
      </p>
      <Loaded polled={polled} what="collectors">
        {(data) => (
          <>
            <Ages accounts={data.accounts} at={polled.at} />
            {data.rows.length === 0 ? (
              <NoCollector isLoading={isLoading(data.accounts)} />
            ) : (
              <>
                <table className="twx-table">
                  <caption className="twx-sr">Collectors, sorted by when their results are deleted</caption>
                  <thead>
                    <tr>
                      <th scope="col">Collector</th>
                      <th scope="col">State</th>
                      <th scope="col" className="twx-number">
                        Results
                      </th>
                      <th scope="col">Time left</th>
                      <th scope="col">Used by</th>
                      <th scope="col">
                        <span className="twx-sr">Actions</span>
                      </th>
                    </tr>
                  </thead>
                  <tbody>
                    {data.rows.map((row) => (
                      <tr key={`${row.conn_id} ${row.id}`}>
                        <th scope="row" data-label="Collector">
                          <code>{row.id}</code>
                        </th>
                        <td data-label="State">{row.is_drained ? `${row.state} (drained)` : row.state}</td>
                        <td data-label="Results" className="twx-number">
                          {row.exports.length ? number(row.results) : "–"}
                        </td>
                        <td data-label="Time left">
                          <TimeLeft row={row} />
                        </td>
                        <td data-label="Used by">
                          <Runs runs={row.used_by} />
                        </td>
                        <td className="twx-actions">
                          {row.may_delete && (
                            <button type="button" className="twx-danger" onClick={() => selected.select(row)}>
                              Delete<span className="twx-sr"> collector {row.id}</span> …
                            </button>
                          )}
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
                <More shown={data.rows.length} total={data.total} onMore={() => setLimit(limit + STEP)} />
              </>
            )}
          </>
        )}
      </Loaded>
      {selected.row && <Delete row={selected.row} onClose={selected.close} />}
    </>
  );
}

function NoCollector(props: { isLoading: boolean }): React.ReactElement {
  if (props.isLoading) return <Empty title="Loading …" />;
  return (
    <Empty title="No collectors.">
      A pipeline creates one for each window, and deletes it when all results have landed.
    </Empty>
  );
}

function TimeLeft({ row }: { row: Collector }): React.ReactElement {
  if (row.readable_until === null) return <span className="twx-faint">empty</span>;
  const seconds = secondsUntil(row.readable_until);
  const isUrgent = seconds < URGENT && !row.is_drained;
  return (
    <span className={isUrgent ? "twx-stale" : undefined} title={time(row.readable_until)}>
      {isUrgent && <span aria-hidden="true">⚠ </span>}
      {duration(seconds)}
    </span>
  );
}

function Delete({ row, onClose }: { row: Collector; onClose: (done: string | undefined) => void }): React.ReactElement {
  const path = `connections/${encodeURIComponent(row.conn_id)}/collectors/${encodeURIComponent(row.id)}/delete`;
  return (
    <Confirmation
      title="Delete this collector?"
      cancel="Keep it"
      confirm="Delete collector"
      action={() => post(path)}
      onClose={onClose}
    >
      <p>
        <code>{row.id}</code>
      </p>
      <ul>
        <li>
          The <strong>{number(row.results)} results</strong> in it are deleted
          {row.readable_until
            ? `; otherwise they could be read for ${duration(secondsUntil(row.readable_until))} more`
            : ""}
          .
        </li>
        <li>
          {row.state === "landed"
            ? "All of them have landed, so nothing is lost. To get them from the service again, you would pay for them again."
            : "None of them can be read any more, so nothing else is lost."}
        </li>
      </ul>
    </Confirmation>
  );
}
