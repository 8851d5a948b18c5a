// Collectors, with the time left until what they hold vanishes.

import type { Collector, Collectors } from "./answers";
import { act, type Scope, useAsked, useChosen } from "./ask";
import { Ages, Confirmation, Empty, isAsking, More, Shown, Uses } from "./parts";
import { number, secondsUntil, span, time } from "./words";

const { useState } = React;

const STEP = 50;
const URGENT = 48 * 3600;

export function CollectorsView({ scope }: { scope: Scope }): React.ReactElement {
  const [limit, setLimit] = useState(STEP);
  const asked = useAsked<Collectors>("collectors", { ...scope, limit: String(limit) }, 10);
  const chosen = useChosen<Collector>(asked.again);
  return (
    <>
      <p className="twx-done" role="status">
        {chosen.done}
      </p>
      <Shown asked={asked} what="collectors">
        {(answer) => (
          <>
            <Ages accounts={answer.accounts} at={asked.at} />
            {answer.rows.length === 0 ? (
              <NoCollector isAsking={isAsking(answer.accounts)} />
            ) : (
              <>
                <table className="twx-table">
                  <caption className="twx-sr">Collectors, those whose results vanish first</caption>
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
                    {answer.rows.map((row) => (
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
                          <Uses uses={row.uses} />
                        </td>
                        <td className="twx-actions">
                          {row.may_delete && (
                            <button type="button" className="twx-danger" onClick={() => chosen.choose(row)}>
                              Delete<span className="twx-sr"> collector {row.id}</span> …
                            </button>
                          )}
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
                <More shown={answer.rows.length} total={answer.total} onMore={() => setLimit(limit + STEP)} />
              </>
            )}
          </>
        )}
      </Shown>
      {chosen.row && <Delete row={chosen.row} onClose={chosen.close} />}
    </>
  );
}

function NoCollector(props: { isAsking: boolean }): React.ReactElement {
  if (props.isAsking) return <Empty title="Asking Talkwalker …" />;
  return (
    <Empty title="There is no collector.">
      A pipeline makes one for each window, and deletes it when all of it has landed.
    </Empty>
  );
}

function TimeLeft({ row }: { row: Collector }): React.ReactElement {
  if (row.readable_until === null) return <span className="twx-faint">holds nothing</span>;
  const seconds = secondsUntil(row.readable_until);
  const isUrgent = seconds < URGENT && !row.is_drained;
  return (
    <span className={isUrgent ? "twx-stale" : undefined} title={time(row.readable_until)}>
      {isUrgent && <span aria-hidden="true">⚠ </span>}
      {span(seconds)}
    </span>
  );
}

function Delete({ row, onClose }: { row: Collector; onClose: (done: string | undefined) => void }): React.ReactElement {
  const path = `connections/${encodeURIComponent(row.conn_id)}/collectors/${encodeURIComponent(row.id)}/delete`;
  return (
    <Confirmation
      title="Delete this collector?"
      keep="Keep it"
      go="Delete collector"
      action={() => act(path)}
      onClose={onClose}
    >
      <p>
        <code>{row.id}</code>
      </p>
      <ul>
        <li>
          Talkwalker forgets the <strong>{number(row.results)} results</strong> that were exported into it
          {row.readable_until ? `, which it would keep for ${span(secondsUntil(row.readable_until))} more` : ""}.
        </li>
        <li>
          {row.state === "landed"
            ? "All of them have landed, so nothing is lost. To read them from Talkwalker again would cost their credits again."
            : "None of them can be read any more, so nothing more is lost."}
        </li>
      </ul>
    </Confirmation>
  );
}
